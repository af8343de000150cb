// The step between static/*.js in the repository and what the server hands out: lines that are empty or start with `//`
// are dropped, blanks around each line go. Nothing else.
import { readFileSync } from "node:fs";

export const clientFile = new URL("../../../static/socket.io.js", import.meta.url);

export const served = (source) =>
  source
    .split("\n")
    .map((line) => line.replace(/^[ \t]+|[ \t\r]+$/g, ""))
    .filter((line) => line !== "" && !line.startsWith("//"))
    .join("\n") + "\n";

export const servedClient = () => served(readFileSync(clientFile, "utf8"));
