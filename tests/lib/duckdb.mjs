// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tests need of DuckDB's command line: duckdb [-csv | -json] DATABASE STATEMENTS. The engine is npm's, which
// tests/setup puts into build/duckdb. Prints the rows of the last statement.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(fileURLToPath(new URL('../../build/duckdb/', import.meta.url)));
const { DuckDBInstance } = require('@duckdb/node-api');

const args = process.argv.slice(2);
const json = args[0] === '-json';
if (args[0] === '-csv' || json) args.shift();
const [file, statements] = args;

const connection = await (await DuckDBInstance.create(file)).connect();
let last;
for (const one of statements.split(/;\s*(?:\n|$)/).filter((x) => x.trim()))
    last = await connection.runAndReadAll(one);
const cell = (x) => (x === null ? '' : /[",\n]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x));
if (last && json) {
    const rows = last.getRowObjectsJson();
    console.log(JSON.stringify(rows));
} else if (last && last.currentRowCount && last.columnNames().join() !== 'Count') {
    console.log(last.columnNames().map(cell).join(','));
    for (const row of last.getRows()) console.log(row.map(cell).join(','));
}
connection.closeSync();
