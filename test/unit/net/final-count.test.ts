/** Which of the kernel's received bytes were payload. The counters are those of real connections. */
import { expect, test } from "vitest";
import { payloadReceived } from "../../../src/net/final-count.ts";

test.each([
  ["the client ended first", { received: 6, sent: 7, acknowledged: 8, unread: 0 }, 5],
  [
    "the process ended first, and the client's FIN came after it",
    { received: 6, sent: 7, acknowledged: 8, unread: 1 },
    5,
  ],
  ["nothing was said", { received: 1, sent: 0, acknowledged: 1, unread: 0 }, 0],
  ["the client has reset it", { received: 5, sent: 7, acknowledged: 7, unread: 0 }, 5],
  ["reset with bytes under way", { received: 5, sent: 7, acknowledged: 0, unread: 0 }, 5],
  [
    "the process ended with something unread, which resets",
    { received: 5, sent: 7, acknowledged: 7, unread: 5 },
    5,
  ],
  ["the same when it had said its end before", { received: 5, sent: 7, acknowledged: 8, unread: 5 }, 5],
  ["reset by SO_LINGER, which forgets all", { received: 0, sent: 0, acknowledged: 0, unread: 0 }, 0],
] as const)("%s", (_case, counters, payload) => {
  expect(payloadReceived(counters)).toBe(payload);
});
