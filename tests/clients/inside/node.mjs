// Connections of Node, in one process: a request a line in, an answer a line out; see with_node.py.
import { createInterface } from "node:readline";
import { DuckDBInstance } from "@duckdb/node-api";

const opened = new Map();

async function answered({ act, key, path, sql }) {
  if (act === "open") {
    const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
    opened.set(key, { instance, connection: await instance.connect() });
    return {};
  }
  const { instance, connection } = opened.get(key);
  if (act === "close") {
    connection.closeSync();
    instance.closeSync();
    opened.delete(key);
    return {};
  }
  const reader = await connection.runAndReadAll(sql);
  // not getRowsJS(): a Date has no microseconds
  return { columns: reader.columnNames(), rows: reader.getRowsJson() };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await answered(JSON.parse(line)).catch((error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
