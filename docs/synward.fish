# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Written by `make options`: change the tables of options instead.

function __synward_command # is it this one?
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]
end

function __synward_operand # is it this command, and so many operands after it?
    set -l words (commandline -opc)
    set -l operands 0
    set -l is_value 0
    test "$words[2]" = $argv[1]; or return 1
    for word in $words[3..]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch "$words[2]:$word"
            case run:-i run:--interface run:--mode run:--duration run:--events replay:--events run:--format replay:--format run:--color replay:--color run:--interval replay:--interval run:--seed replay:--seed run:--close-delay replay:--close-delay run:--update replay:--update run:--likely-server-ports replay:--likely-server-ports run:--max-flows replay:--max-flows run:--max-half-open replay:--max-half-open run:--syn-cache replay:--syn-cache run:--ring replay:--ring run:--ring-open replay:--ring-open run:--timeout-syn-sent replay:--timeout-syn-sent run:--timeout-syn-received replay:--timeout-syn-received run:--timeout-established replay:--timeout-established run:--timeout-fin-wait replay:--timeout-fin-wait run:--timeout-close-wait replay:--timeout-close-wait run:--timeout-last-ack replay:--timeout-last-ack run:--timeout-midstream replay:--timeout-midstream run:--port replay:--port flows:--port filter:--port run:--server replay:--server flows:--server filter:--server run:--net replay:--net flows:--net filter:--net run:--src replay:--src flows:--src filter:--src run:--dst replay:--dst flows:--dst filter:--dst run:--not-port replay:--not-port flows:--not-port filter:--not-port run:--not-server replay:--not-server flows:--not-server filter:--not-server run:--not-net replay:--not-net flows:--not-net filter:--not-net run:--not-src replay:--not-src flows:--not-src filter:--not-src run:--not-dst replay:--not-dst flows:--not-dst filter:--not-dst run:--guard run:--protect run:--engage run:--hold run:--grace run:--allow run:--allow-file run:--block run:--block-file run:--limit-source run:--limit-prefix run:--pass-rate run:--reply-budget run:--stray run:--reverse-path run:--cookie run:--key-file run:--wscale run:--mss run:--capture run:--capture-size flows:-p flows:--pid flows:-s flows:--seed flows:--state flows:--outcome flows:--uid flows:--min-bytes flows:--min-handshake status:-p status:--pid filter:-p filter:--pid guard:-p guard:--pid list:-p list:--pid
                set is_value 1
            case '*:-?*'
            case '*'
                set operands (math $operands + 1)
        end
    end
    test $operands -eq $argv[2]
end

function __synward_list # words, joined by commas
    set -l head (string match -r '.*,' -- (commandline -ct | string replace -r '^--[a-z-]*=' ''))
    printf '%s\n' $head$argv
end

complete -c synward -f
complete -c synward -n '__synward_command ""' -l help -d 'what the commands are'
complete -c synward -n '__synward_command ""' -l version -d 'the version'
complete -c synward -n '__synward_command ""' -a run -d 'follow interfaces and print events until SIGINT or SIGTERM'
complete -c synward -n '__synward_command ""' -a replay -d 'the same program over a capture file'
complete -c synward -n '__synward_command ""' -a flows -d 'the live table of a running synward'
complete -c synward -n '__synward_command ""' -a status -d 'what runs where, counters, events lost'
complete -c synward -n '__synward_command ""' -a filter -d 'which connections a running synward follows'
complete -c synward -n '__synward_command ""' -a guard -d 'the guard of a running synward: its services, and their modes'
complete -c synward -n '__synward_command ""' -a list -d 'the guard\'s allow and block lists while it runs'
complete -c synward -n '__synward_command ""' -a unpin -d 'detach and remove what a synward with --pin left behind'
complete -c synward -n '__synward_command ""' -a probe -d 'what this kernel and network card can do'

complete -c synward -n '__synward_command run' -l help -d 'this help'
complete -c synward -n '__synward_command run' -s i -l interface -x -a '(command ls /sys/class/net)' -d 'follow this interface; may be given several times'
complete -c synward -n '__synward_command run' -l mode -x -a 'auto native generic' -d 'XDP in the driver, in the stack, or whichever works (auto)'
complete -c synward -n '__synward_command run' -l ingress-only -d 'no egress hook: what this host sends is inferred'
complete -c synward -n '__synward_command run' -l pin -a '(command ls /sys/fs/bpf/synward 2>/dev/null)' -d 'programs and state outlive this process, and the next one continues with them'
complete -c synward -n '__synward_command run' -l duration -x -d 'stop after S seconds (default: at SIGINT or SIGTERM)'
complete -c synward -n '__synward_command run' -l log-open-at-exit -d 'at exit, log the conn line of connections that are still open, too'
complete -c synward -n '__synward_command run' -s q -l quiet -d 'warnings and errors alone on standard error: no line when it is ready'
complete -c synward -n '__synward_command run' -l events -x -a '(__synward_list opening established half_closed closed reset refused timeout reused midstream anomaly update conn loss stats drop service lifecycle guard health all none)' -d 'lines to log, by name, joined by commas; \'all\', \'none\', and \'-name\' to leave one out'
complete -c synward -n '__synward_command run' -l full-events -d 'JSON: every key in every line of a connection, not only in conn'
complete -c synward -n '__synward_command run' -l format -x -a 'json text' -d 'NDJSON for programs or text for people (json)'
complete -c synward -n '__synward_command run' -l wide -d 'text: all columns, with interface, uid, states, options and microseconds, instead of 80 columns'
complete -c synward -n '__synward_command run' -l utc -d 'text: times in UTC instead of local ones'
complete -c synward -n '__synward_command run' -l color -x -a 'auto always never' -d 'text: colours, auto on a terminal (auto)'
complete -c synward -n '__synward_command run' -l summary -a 'on off' -d 'at the end: connections by outcome, top targets, handshake times (off; with text on)'
complete -c synward -n '__synward_command run' -l interval -x -d 'a stats line every S seconds, 0: only the final one (10)'
complete -c synward -n '__synward_command run' -l seed -x -d 'Community ID seed, 0 to 65535 (0)'
complete -c synward -n '__synward_command run' -s v -l verbose -d 'show libbpf\'s and libxdp\'s log; twice: their debug lines too'
complete -c synward -n '__synward_command run' -l no-sandbox -d 'keep every capability and system call, for debugging'
complete -c synward -n '__synward_command run' -l close-delay -x -d 'wait S seconds for late segments after a connection ended, then log its conn line (5)'
complete -c synward -n '__synward_command run' -l update -x -d 'an update line for each live connection about every S seconds (0: none)'
complete -c synward -n '__synward_command run' -l decap -a 'on off' -d 'follow PPPoE, MPLS, GRE, ERSPAN, VXLAN, Geneve, GTP-U and E-tags to the inner connection (off)'
complete -c synward -n '__synward_command run' -l checksum -a 'on off' -d 'verify TCP checksums on ingress (off)'
complete -c synward -n '__synward_command run' -l likely-server-ports -x -d 'ports whose owner is taken for the server of a connection picked up midstream, at most 1024; \'none\''
complete -c synward -n '__synward_command run' -l max-flows -x -d 'most established connections tracked at once (131072)'
complete -c synward -n '__synward_command run' -l max-half-open -x -d 'most half-open connections tracked at once; a flood evicts about the oldest (65536)'
complete -c synward -n '__synward_command run' -l syn-cache -x -d 'entries of the SYN cache, from which evicted handshakes are restored (8 times --max-half-open: 524288)'
complete -c synward -n '__synward_command run' -l ring -x -d 'event ring, a power of two (64M); a second one, of a sixteenth of this and 4M at most, holds anomalies'
complete -c synward -n '__synward_command run' -l ring-open -x -d 'event ring of handshakes that never completed, a power of two (16M)'
complete -c synward -n '__synward_command run' -l timeout-syn-sent -x -d 'no answer to the SYN: unanswered after S idle seconds (120)'
complete -c synward -n '__synward_command run' -l timeout-syn-received -x -d 'no ACK for the SYN-ACK (60)'
complete -c synward -n '__synward_command run' -l timeout-established -x -d 'an established connection, idle (7440)'
complete -c synward -n '__synward_command run' -l timeout-fin-wait -x -d 'the first FIN is not acknowledged (240)'
complete -c synward -n '__synward_command run' -l timeout-close-wait -x -d 'half-closed: one side has closed, the other is idle (240)'
complete -c synward -n '__synward_command run' -l timeout-last-ack -x -d 'both have closed, the last ACK is missing (240)'
complete -c synward -n '__synward_command run' -l timeout-midstream -x -d 'a connection picked up midstream, idle (300)'
complete -c synward -n '__synward_command run' -l port -x -d 'only connections with one of these ports at either end, like 443,8000-8100'
complete -c synward -n '__synward_command run' -l server -x -d 'only those whose responder has one of these ports'
complete -c synward -n '__synward_command run' -l net -x -d 'only those with an address of these networks at either end, IPv4 and IPv6'
complete -c synward -n '__synward_command run' -l src -x -d 'only those whose originator is in these networks'
complete -c synward -n '__synward_command run' -l dst -x -d 'only those whose responder is in these networks'
complete -c synward -n '__synward_command run' -l not-port -x -d 'none with one of these ports at either end'
complete -c synward -n '__synward_command run' -l not-server -x -d 'none whose responder has one of these ports'
complete -c synward -n '__synward_command run' -l not-net -x -d 'none with an address of these networks at either end'
complete -c synward -n '__synward_command run' -l not-src -x -d 'none whose originator is in these networks'
complete -c synward -n '__synward_command run' -l not-dst -x -d 'none whose responder is in these networks'
complete -c synward -n '__synward_command run' -l guard -x -a 'off monitor auto always' -d 'answer SYN floods with cookies: never, dry run, during a flood, or always'
complete -c synward -n '__synward_command run' -l protect -x -d 'protect these services; may be given several times (default: every listening socket of this host)'
complete -c synward -n '__synward_command run' -l engage -x -a '(__synward_list half-open= syn-rate=)' -d 'auto: engage at N half-open handshakes (1024), or N SYNs a second of which few complete (4000)'
complete -c synward -n '__synward_command run' -l hold -x -d 'auto: disengage after S seconds below half of both thresholds (10)'
complete -c synward -n '__synward_command run' -l grace -x -d 'then accept cookies for S seconds more (140: as long as one is valid)'
complete -c synward -n '__synward_command run' -l allow -x -d 'never answer, limit or drop what comes from there; may be repeated'
complete -c synward -n '__synward_command run' -l allow-file -r -F -d 'the same, one CIDR a line; read again at SIGHUP'
complete -c synward -n '__synward_command run' -l block -x -d 'drop what comes from there unless it is allowed; may be repeated'
complete -c synward -n '__synward_command run' -l block-file -r -F -d 'the same, one CIDR a line; read again at SIGHUP'
complete -c synward -n '__synward_command run' -l limit-source -x -d 'SYNs a second that do not complete from one address; over it they get cookies, in calm, too (none)'
complete -c synward -n '__synward_command run' -l limit-prefix -x -d 'the same for one /24 of IPv4 or /64 of IPv6 (none)'
complete -c synward -n '__synward_command run' -l pass-rate -x -d 'engaged: most SYNs a second of one service that pass, for a socket or a signature to decide (10000/s)'
complete -c synward -n '__synward_command run' -l reply-budget -x -d 'most replies a second in all (none)'
complete -c synward -n '__synward_command run' -l stray -x -a 'drop reset' -d 'engaged: drop an ACK that belongs to nothing, or answer it with a RST as well (drop)'
complete -c synward -n '__synward_command run' -l reverse-path -x -a 'auto strict off' -d 'drop a SYN that would be answered if no route to its source leads over the interface: auto where rp_filter is 1, strict always, off never (auto)'
complete -c synward -n '__synward_command run' -l cookie -x -a 'auto reqsk listener' -d 'whose cookies: ours, which keep every TCP option (kernel 6.9), or the kernel\'s (auto)'
complete -c synward -n '__synward_command run' -l key-file -r -F -d 'the cookies\' keys, shared by hosts behind one address (random keys)'
complete -c synward -n '__synward_command run' -l wscale -x -d 'window scale of our SYN-ACKs, 0 to 14 (what the kernel would choose)'
complete -c synward -n '__synward_command run' -l mss -x -d 'most that our SYN-ACKs offer as MSS, 536 to 65495 (what the interface takes)'
complete -c synward -n '__synward_command run' -l capture -r -F -d 'write a sample of the dropped frames as pcapng, the reason as comment'
complete -c synward -n '__synward_command run' -l capture-size -x -d 'most that this file may grow to (16M)'

complete -c synward -n '__synward_command replay' -l help -d 'this help'
complete -c synward -n '__synward_command replay' -s C -l no-checksum -d 'do not verify TCP checksums, as Zeek\'s -C: the same as --checksum=off'
complete -c synward -n '__synward_command replay' -l events -x -a '(__synward_list opening established half_closed closed reset refused timeout reused midstream anomaly update conn loss stats drop service lifecycle guard health all none)' -d 'lines to log, by name, joined by commas; \'all\', \'none\', and \'-name\' to leave one out'
complete -c synward -n '__synward_command replay' -l full-events -d 'JSON: every key in every line of a connection, not only in conn'
complete -c synward -n '__synward_command replay' -l format -x -a 'json text' -d 'NDJSON for programs or text for people (json)'
complete -c synward -n '__synward_command replay' -l wide -d 'text: all columns, with interface, uid, states, options and microseconds, instead of 80 columns'
complete -c synward -n '__synward_command replay' -l utc -d 'text: times in UTC instead of local ones'
complete -c synward -n '__synward_command replay' -l color -x -a 'auto always never' -d 'text: colours, auto on a terminal (auto)'
complete -c synward -n '__synward_command replay' -l summary -a 'on off' -d 'at the end: connections by outcome, top targets, handshake times (off; with text on)'
complete -c synward -n '__synward_command replay' -l interval -x -d 'a stats line every S seconds, 0: only the final one (0)'
complete -c synward -n '__synward_command replay' -l seed -x -d 'Community ID seed, 0 to 65535 (0)'
complete -c synward -n '__synward_command replay' -s v -l verbose -d 'show libbpf\'s and libxdp\'s log; twice: their debug lines too'
complete -c synward -n '__synward_command replay' -l no-sandbox -d 'keep every capability and system call, for debugging'
complete -c synward -n '__synward_command replay' -l close-delay -x -d 'wait S seconds for late segments after a connection ended, then log its conn line (5)'
complete -c synward -n '__synward_command replay' -l update -x -d 'an update line for each live connection about every S seconds (0: none)'
complete -c synward -n '__synward_command replay' -l decap -a 'on off' -d 'follow PPPoE, MPLS, GRE, ERSPAN, VXLAN, Geneve, GTP-U and E-tags to the inner connection (on)'
complete -c synward -n '__synward_command replay' -l checksum -a 'on off' -d 'verify TCP checksums on ingress (on)'
complete -c synward -n '__synward_command replay' -l likely-server-ports -x -d 'ports whose owner is taken for the server of a connection picked up midstream, at most 1024; \'none\''
complete -c synward -n '__synward_command replay' -l max-flows -x -d 'most established connections tracked at once (131072)'
complete -c synward -n '__synward_command replay' -l max-half-open -x -d 'most half-open connections tracked at once; a flood evicts about the oldest (65536)'
complete -c synward -n '__synward_command replay' -l syn-cache -x -d 'entries of the SYN cache, from which evicted handshakes are restored (8 times --max-half-open: 524288)'
complete -c synward -n '__synward_command replay' -l ring -x -d 'event ring, a power of two (4M); a second one, of a sixteenth of this and 4M at most, holds anomalies'
complete -c synward -n '__synward_command replay' -l ring-open -x -d 'event ring of handshakes that never completed, a power of two (4M)'
complete -c synward -n '__synward_command replay' -l timeout-syn-sent -x -d 'no answer to the SYN: unanswered after S idle seconds (120)'
complete -c synward -n '__synward_command replay' -l timeout-syn-received -x -d 'no ACK for the SYN-ACK (60)'
complete -c synward -n '__synward_command replay' -l timeout-established -x -d 'an established connection, idle (7440)'
complete -c synward -n '__synward_command replay' -l timeout-fin-wait -x -d 'the first FIN is not acknowledged (240)'
complete -c synward -n '__synward_command replay' -l timeout-close-wait -x -d 'half-closed: one side has closed, the other is idle (240)'
complete -c synward -n '__synward_command replay' -l timeout-last-ack -x -d 'both have closed, the last ACK is missing (240)'
complete -c synward -n '__synward_command replay' -l timeout-midstream -x -d 'a connection picked up midstream, idle (300)'
complete -c synward -n '__synward_command replay' -l port -x -d 'only connections with one of these ports at either end, like 443,8000-8100'
complete -c synward -n '__synward_command replay' -l server -x -d 'only those whose responder has one of these ports'
complete -c synward -n '__synward_command replay' -l net -x -d 'only those with an address of these networks at either end, IPv4 and IPv6'
complete -c synward -n '__synward_command replay' -l src -x -d 'only those whose originator is in these networks'
complete -c synward -n '__synward_command replay' -l dst -x -d 'only those whose responder is in these networks'
complete -c synward -n '__synward_command replay' -l not-port -x -d 'none with one of these ports at either end'
complete -c synward -n '__synward_command replay' -l not-server -x -d 'none whose responder has one of these ports'
complete -c synward -n '__synward_command replay' -l not-net -x -d 'none with an address of these networks at either end'
complete -c synward -n '__synward_command replay' -l not-src -x -d 'none whose originator is in these networks'
complete -c synward -n '__synward_command replay' -l not-dst -x -d 'none whose responder is in these networks'
complete -c synward -n '__synward_operand replay 0' -F

complete -c synward -n '__synward_command flows' -l help -d 'this help'
complete -c synward -n '__synward_command flows' -s j -l json -d 'a JSON object a line instead of a table'
complete -c synward -n '__synward_command flows' -s a -l all -d 'connections that ended and wait for late segments, too'
complete -c synward -n '__synward_command flows' -s p -l pid -x -d 'only of the synward with this process id'
complete -c synward -n '__synward_command flows' -s s -l seed -x -d 'Community ID seed (0)'
complete -c synward -n '__synward_command flows' -l port -x -d 'only connections with one of these ports at either end, like 443,8000-8100'
complete -c synward -n '__synward_command flows' -l server -x -d 'only those whose responder has one of these ports'
complete -c synward -n '__synward_command flows' -l net -x -d 'only those with an address of these networks at either end, IPv4 and IPv6'
complete -c synward -n '__synward_command flows' -l src -x -d 'only those whose originator is in these networks'
complete -c synward -n '__synward_command flows' -l dst -x -d 'only those whose responder is in these networks'
complete -c synward -n '__synward_command flows' -l not-port -x -d 'none with one of these ports at either end'
complete -c synward -n '__synward_command flows' -l not-server -x -d 'none whose responder has one of these ports'
complete -c synward -n '__synward_command flows' -l not-net -x -d 'none with an address of these networks at either end'
complete -c synward -n '__synward_command flows' -l not-src -x -d 'none whose originator is in these networks'
complete -c synward -n '__synward_command flows' -l not-dst -x -d 'none whose responder is in these networks'
complete -c synward -n '__synward_command flows' -l state -x -a '(__synward_list CLOSED LISTEN SYN_SENT SYN_RECEIVED ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT OTH S0 S1 S2 S3 SF SH SHR REJ RSTO RSTR RSTOS0 RSTRH all none)' -d 'only those with an end in one of these states, or with one of these conn_states, like ESTABLISHED,S1 (none: any)'
complete -c synward -n '__synward_command flows' -l outcome -x -a '(__synward_list open fin reset refused aborted unanswered timeout reused end_of_input filtered all none)' -d 'only those that ended for one of these reasons, like refused,unanswered, or are open (none: any)'
complete -c synward -n '__synward_command flows' -l uid -x -d 'only the connections with these uids, at most 16'
complete -c synward -n '__synward_command flows' -l min-bytes -x -d 'only those with at least N IP bytes, both directions together (0)'
complete -c synward -n '__synward_command flows' -l min-handshake -x -d 'only those whose handshake took S seconds or more (0: also without one)'

complete -c synward -n '__synward_command status' -l help -d 'this help'
complete -c synward -n '__synward_command status' -s j -l json -d 'a JSON object for each instance'
complete -c synward -n '__synward_command status' -s p -l pid -x -d 'only the synward with this process id'

complete -c synward -n '__synward_command filter' -l help -d 'this help'
complete -c synward -n '__synward_command filter' -s j -l json -d 'show: a JSON object'
complete -c synward -n '__synward_command filter' -s p -l pid -x -d 'of the synward with this process id; needed if several run'
complete -c synward -n '__synward_command filter' -l port -x -d 'only connections with one of these ports at either end, like 443,8000-8100'
complete -c synward -n '__synward_command filter' -l server -x -d 'only those whose responder has one of these ports'
complete -c synward -n '__synward_command filter' -l net -x -d 'only those with an address of these networks at either end, IPv4 and IPv6'
complete -c synward -n '__synward_command filter' -l src -x -d 'only those whose originator is in these networks'
complete -c synward -n '__synward_command filter' -l dst -x -d 'only those whose responder is in these networks'
complete -c synward -n '__synward_command filter' -l not-port -x -d 'none with one of these ports at either end'
complete -c synward -n '__synward_command filter' -l not-server -x -d 'none whose responder has one of these ports'
complete -c synward -n '__synward_command filter' -l not-net -x -d 'none with an address of these networks at either end'
complete -c synward -n '__synward_command filter' -l not-src -x -d 'none whose originator is in these networks'
complete -c synward -n '__synward_command filter' -l not-dst -x -d 'none whose responder is in these networks'
complete -c synward -n '__synward_operand filter 0' -a 'show set clear'

complete -c synward -n '__synward_command guard' -l help -d 'this help'
complete -c synward -n '__synward_command guard' -s j -l json -d 'status: a JSON object for each service'
complete -c synward -n '__synward_command guard' -s p -l pid -x -d 'of the synward with this process id; needed if several run with the guard'
complete -c synward -n '__synward_operand guard 0' -a 'status off monitor auto always'

complete -c synward -n '__synward_command list' -l help -d 'this help'
complete -c synward -n '__synward_command list' -s j -l json -d 'show: a JSON object a line'
complete -c synward -n '__synward_command list' -s p -l pid -x -d 'of the synward with this process id; needed if several run with the guard'
complete -c synward -n '__synward_operand list 0' -a 'add del show'
complete -c synward -n '__synward_operand list 1' -a 'allow block'

complete -c synward -n '__synward_command unpin' -l help -d 'this help'
complete -c synward -n '__synward_operand unpin 0' -a '(command ls /sys/fs/bpf/synward 2>/dev/null)'

complete -c synward -n '__synward_command probe' -l help -d 'this help'
complete -c synward -n '__synward_command probe' -s j -l json -d 'one JSON object'
complete -c synward -n '__synward_command probe' -s v -l verbose -d 'show libbpf\'s and libxdp\'s log'
complete -c synward -n '__synward_operand probe 0' -a '(command ls /sys/class/net)'
