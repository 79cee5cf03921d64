// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Validates Kubernetes objects, a JSON list on standard input, against the published schemas: those of npm's
// kubernetes-models, which tests/setup puts into build/kubernetes. Prints a line for each object: nothing, or what is wrong.
import { readFileSync } from 'node:fs';

const models = new URL('../../build/kubernetes/node_modules/kubernetes-models/', import.meta.url);

for (const object of JSON.parse(readFileSync(0))) {
    try {
        const { [object.kind]: Model } = await import(new URL(`${object.apiVersion}/index.js`, models));
        new Model(object).validate();
        console.log('');
    } catch (error) {
        console.log(String(error.message).replaceAll('\n', '; '));
    }
}
