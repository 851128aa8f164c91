#!/usr/bin/env node
// The locked compiler behind the command line of a native `solc`, as far as analysers use it: --version and
// --standard-json, which reads its input from standard input. Imports must stand in the input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
}
