/** Whether this machine has what the handlers of a service need; what it lacks is looked for again, less and less often. */
import type { Emit } from "../log/events.ts";
import type { MachineProblem } from "../process/machine.ts";
import type { Clock } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import { Alarm } from "./alarm.ts";
import { retryWaitMs } from "./limits.ts";

export interface PreparationHost {
  readonly name: string;
  look(): Result<null, MachineProblem[]>;
  /** Something is lacking; it is looked for again at `until`. */
  lacks(reason: string, until: number): void;
  /** That moment has come. */
  again(): void;
}

export class Preparation {
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #host: PreparationHost;
  readonly #alarm: Alarm;
  /** Times in a row that something was lacking. */
  #failures = 0;

  constructor({ clock, emit }: { clock: Clock; emit: Emit }, host: PreparationHost) {
    this.#clock = clock;
    this.#emit = emit;
    this.#host = host;
    this.#alarm = new Alarm(clock);
  }

  /** How often in a row something was lacking, at the last look. */
  get failures(): number {
    return this.#failures;
  }

  /** In another process, which looks anew. */
  restore(failures: number): void {
    this.#failures = failures;
  }

  /** @returns whether nothing is lacking */
  look(): boolean {
    this.#alarm.cancel();
    const { name: service } = this.#host;
    const looked = this.#host.look();
    if (looked.ok) {
      if (this.#failures > 0) this.#emit({ event: "service.recovered", service });
      this.#failures = 0;
      return true;
    }
    this.#failures += 1;
    const retryMs = retryWaitMs(this.#failures);
    const reason = looked.error.map(({ key, message }) => `${key}: ${message}`).join("; ");
    if (this.#failures === 1) this.#emit({ event: "service.failed", service, reason, retry_ms: retryMs });
    this.#host.lacks(reason, this.#clock.now() + retryMs);
    this.#alarm.set(retryMs, () => this.#host.again());
    return false;
  }
}
