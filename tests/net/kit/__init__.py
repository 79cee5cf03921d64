# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kit of the namespace tests. What every test uses is here by its name; guard, fault, pin and traffic are modules
to import.

    ns       namespaces, veth pairs, commands in them, sockets in them
    wait     until a condition holds
    daemon   a running synward
    lines    what its lines say
    tap      cases, comparisons
    bulk     thousands of connections, and their lines
    traffic  clients and servers that never stop; pairs of sockets that talk
    guard    a guarded server, and a client that is no kernel
    gateway  an edge, and hosts behind it
    attacks  the frames of docs/attacks.md
    fault    what a user sees, and what must not be left behind
    pin      daemons that follow each other on pinned maps
    docs     the commands of documents
    browser  a headless Chromium
    place    the host on which they are typed
    screen   synward top on a terminal
    middle   a router that resets, drops, rewrites, delays; synward at both ends
    watch    synward watch, and an instance that says what a test wants
    two_places   what two synwards would write, in any number
"""
from .daemon import SYNWARD, Synward
from .lines import check_seq, fields, of, events_of
from .ns import (TOP, Inside, addr, cleanup, connect, hooks_on, libc, listen, made, new_ns, open_pair, pair, popen, quiet,
                 read_all, read_n, reset, retransmitted, routed, run, settled, sh, started, take_replies, talk, tcp, tmp, veth,
                 warm, xdp_on)
from .tap import Skip, at_least, at_most, equal, main, one, seed
from .wait import PATIENCE, SLOW, until

__all__ = ["PATIENCE", "SLOW", "SYNWARD", "TOP", "Inside", "Skip", "Synward", "addr", "at_least", "at_most", "check_seq",
           "cleanup", "connect", "equal", "events_of", "fields", "hooks_on", "libc", "listen", "made", "main", "new_ns", "of",
           "one", "open_pair", "pair", "popen", "quiet", "read_all", "read_n", "reset", "retransmitted", "routed", "run",
           "seed", "settled", "sh", "started", "take_replies", "talk", "tcp", "tmp", "until", "veth", "warm", "xdp_on"]
