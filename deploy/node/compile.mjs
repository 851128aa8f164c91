// Compiles the contracts and writes one artifact per contract, or with --check fails when the committed ones differ.
// With --input it prints what the compiler is given for the shipped contracts, imports included, for other tools.
// Reads only what stands beside it (node_modules) and the contracts' folders; uses no network.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const modules = join(here, "node_modules");
const solc = createRequire(import.meta.url)("solc");

const EVM_VERSION = "cancun"; // the oldest with transient storage, which the reentrancy guard uses
const OPTIMIZER = { enabled: true, runs: 2000 };
const VIA_IR = true; // the newer code generator: a paid job costs some 2,500 gas less
const CONTRACTS = "datatokens/contracts";
const TRANSIENT_STORAGE = "2394"; // "can break composability"; it goes on to call a guard like OpenZeppelin's safe
const TARGETS = [
  { folder: CONTRACTS, output: "datatokens/artifacts" },
  { folder: `${CONTRACTS}/test`, output: "tests/datatokens/artifacts" },
];

const solFiles = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".sol"))
    .sort();

function findImport(path) {
  const file = path.startsWith("@") ? join(modules, path) : join(root, path);
  try {
    return { contents: readFileSync(file, "utf8") };
  } catch {
    return { error: `${path}: not found; run npm ci in deploy/node` };
  }
}

const OUTPUTS = ["abi", "evm.bytecode", "evm.deployedBytecode", "evm.methodIdentifiers", "metadata", "userdoc", "devdoc"];

const inputOf = (names) => ({
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, { content: findImport(name).contents }])),
  settings: {
    evmVersion: EVM_VERSION,
    viaIR: VIA_IR,
    optimizer: OPTIMIZER,
    metadata: { bytecodeHash: "none", appendCBOR: false }, // the same code whatever a comment says
    outputSelection: { "*": { "": ["ast"], "*": OUTPUTS } },
  },
});

function compile(folder) {
  const names = solFiles(folder).map((name) => `${folder}/${name}`);
  const input = inputOf(names);
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const problems = (output.errors ?? []).filter(({ errorCode }) => errorCode !== TRANSIENT_STORAGE); // warnings count
  if (problems.length > 0) {
    throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));
  }
  return { names, output };
}

// SHA-256 over the lines "<sha256 of the file>  <path>\n" of every source that went in, in order of path.
function sourceDigest(metadata) {
  const lines = Object.keys(JSON.parse(metadata).sources)
    .sort()
    .map((path) => `${createHash("sha256").update(findImport(path).contents).digest("hex")}  ${path}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

function artifact(name, contract) {
  const deployed = contract.evm.deployedBytecode;
  return {
    name,
    compiler: solc.version(),
    evm_version: EVM_VERSION,
    optimizer: OPTIMIZER,
    via_ir: VIA_IR,
    source_sha256: sourceDigest(contract.metadata),
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployed_bytecode: `0x${deployed.object}`,
    immutable_references: deployed.immutableReferences ?? {},
  };
}

function* artifacts() {
  for (const { folder, output } of TARGETS) {
    const compiled = compile(folder);
    for (const source of compiled.names) {
      const name = source.split("/").at(-1).replace(".sol", "");
      const contract = compiled.output.contracts[source][name];
      if (contract.evm.bytecode.object === "") continue; // abstract: part of another contract
      const value = artifact(name, contract);
      yield { path: join(output, `${name}.json`), text: `${JSON.stringify(value, null, 1)}\n` };
    }
  }
}

function read(path) {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return "";
  }
}

// Every source that these need, by following the imports.
function withImports(names) {
  const found = new Set();
  const queue = [...names];
  while (queue.length > 0) {
    const name = queue.pop();
    if (found.has(name)) continue;
    found.add(name);
    const paths = findImport(name).contents.matchAll(/^import [^"]*"([^"]+)";/gm);
    for (const [, path] of paths) queue.push(path.startsWith(".") ? join(dirname(name), path) : path);
  }
  return [...found].sort();
}

if (process.argv.includes("--input")) {
  const names = solFiles(CONTRACTS).map((name) => `${CONTRACTS}/${name}`);
  writeFileSync("/dev/stdout", JSON.stringify(inputOf(withImports(names))));
  process.exit(0);
}

const check = process.argv.includes("--check");
let differ = 0;
for (const { path, text } of artifacts()) {
  if (check && read(path) !== text) {
    console.error(`${path}: differs from what the sources compile to; run node deploy/node/compile.mjs`);
    differ += 1;
  }
  if (!check) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
process.exitCode = differ > 0 ? 1 : 0;
