// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tests need of `clickhouse local`: chdb FOLDER STATEMENTS. The engine is npm's chdb, which tests/setup puts into
// build/chdb; its tables are below FOLDER, or with '' in a temporary one. Prints the rows of the last statement, as JSON.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(fileURLToPath(new URL('../../build/chdb/', import.meta.url)));
const { Session } = require('chdb');

const [folder, statements] = process.argv.slice(2);
const session = new Session(folder);
let last = '';
try {
    for (const one of statements.split(/;\s*(?:\n|$)/).filter((x) => x.replaceAll(/^--.*$/gm, '').trim()))
        last = session.query(one, 'JSONEachRow');
    process.stdout.write(last);
} catch (e) {
    console.error(e.message);
    process.exitCode = 1;
} finally {
    session.cleanup();
}
