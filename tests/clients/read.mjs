// What Node sees of a warehouse: `node read.mjs FILE`; see read.py for what goes in and out.
import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const instance = await DuckDBInstance.create(process.argv[2], { access_mode: "READ_ONLY" });
const connection = await instance.connect();
const answers = {};
for (const [name, sql] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  try {
    const reader = await connection.runAndReadAll(sql);
    // not getRowsJS(): a Date has no microseconds
    answers[name] = { columns: reader.columnNames(), rows: reader.getRowsJson() };
  } catch (error) {
    answers[name] = { error: error.message };
  }
}
process.stdout.write(JSON.stringify(answers));
