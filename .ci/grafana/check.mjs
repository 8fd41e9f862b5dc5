// Checks Grafana dashboards against the schema that Grafana publishes as TypeScript
// types (@grafana/schema), and gathers their PromQL for promtool.
//
//   node check.mjs RULES.yml DASHBOARD.json...
//
// RULES.yml is written: each expression as a recording rule, Grafana's variables
// replaced by what they may stand for.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const [rulesFile, ...files] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const raw = `${here}/node_modules/@grafana/schema/dist/types/raw`;
const ajv = new Ajv({ strict: false, allErrors: true });

const validatorOf = (path, type) =>
  ajv.compile(createGenerator({ path: `${raw}/${path}/x/types.gen.d.ts`, type, tsconfig: `${here}/tsconfig.json`, skipTypeCheck: true, topRef: false }).createSchema(type));

// Panels' options have a type of their own for each kind of panel.
const panelKinds = ['timeseries', 'stat', 'table'];
const dashboard = validatorOf('dashboard', 'Dashboard');
const options = Object.fromEntries(panelKinds.map((kind) => [kind, validatorOf(`composable/${kind}/panelcfg`, 'Options')]));

const mistakes = [];
const rules = [];

function validate(validator, value, where) {
  if (validator(value)) return;
  for (const e of validator.errors) mistakes.push(`${where}${e.instancePath}: ${e.message}${e.params.additionalProperty ? `: ${e.params.additionalProperty}` : ''}`);
}

function expression(expr, where) {
  if (typeof expr !== 'string' || expr === '') return mistakes.push(`${where}: no expression`);
  const concrete = expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '6h').replaceAll('$job', '.*').replaceAll('$instance', '.*');
  if (concrete.includes('$')) mistakes.push(`${where}: an unknown variable in ${expr}`);
  rules.push(`      - {record: "expression:${rules.length}", expr: ${JSON.stringify(concrete)}}`);
}

// The published type of an annotation is that of Grafana's own; a data source keeps its
// query there in fields of its own.
const withoutQuery = ({ target, expr, titleFormat, textFormat, step, ...rest }) => rest;

for (const file of files) {
  const board = JSON.parse(readFileSync(file, 'utf8'));
  validate(dashboard, { ...board, annotations: { list: board.annotations.list.map(withoutQuery) } }, file);
  const ids = new Set();
  for (const panel of board.panels) {
    const where = `${file}: panel ${JSON.stringify(panel.title)}`;
    if (ids.has(panel.id)) mistakes.push(`${where}: its id ${panel.id} is another's too`);
    ids.add(panel.id);
    if (panel.type === 'row') continue;
    if (!panel.description) mistakes.push(`${where}: has no description`);
    if (options[panel.type]) validate(options[panel.type], panel.options, `${where}: options`);
    else mistakes.push(`${where}: no check for panels of type ${panel.type}; add it to panelKinds`);
    for (const t of panel.targets) if (t.datasource?.type === 'prometheus') expression(t.expr, where);
  }
  for (const a of board.annotations.list) if (a.datasource?.type === 'prometheus') expression(a.expr, `${file}: annotation ${a.name}`);
}
writeFileSync(rulesFile, `groups:\n  - name: dashboards\n    rules:\n${rules.join('\n')}\n`);
for (const m of mistakes) console.error(m);
console.log(`${files.length} dashboards, ${rules.length} expressions, ${mistakes.length} mistakes`);
process.exit(mistakes.length ? 1 : 0);
