// The Node worker of the pass benchmark: gives each client the answer of `c/answer.h`.
// usage: worker.mjs CLIENTS        on connections that tinetd passes; ends after so many (0: never)
//        worker.mjs CLIENTS PORT   on a socket of its own at 127.0.0.1
import { createServer } from "node:net";
import { serve } from "../../dist/worker/index.js";

const [clients = 0, port] = process.argv.slice(2).map(Number);
let served = 0;

function answer(socket) {
  served += 1;
  socket.end("ok\n");
  if (served === clients) socket.on("close", () => process.exit());
}

if (port === undefined) serve(answer);
else createServer(answer).listen(port, "127.0.0.1", 4096);
