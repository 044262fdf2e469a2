/**
 * A flood of one event: what others can cause at any rate, without our having let them in, is logged so often in a
 * second and then counted. Pure: time comes with each call.
 *
 * Never held back is what happens a bounded number of times for each connection that was let in (accepted, closed,
 * started, exited: who asks for them wants all, and `rate` and `max_instances` bound them), and what the daemon and its
 * services do as a whole, whose own back-off bounds it.
 */
import { describe, seconds } from "./describe.ts";
import type { DaemonEvent } from "./events.ts";

/**
 * The budget: what shares it, and how many of them a second are logged one by one; `null` for what is not subject to any.
 * A refusal costs whoever is refused nothing, so it is the flood that anybody can make; 50 a second are more than a person
 * reads and enough for fail2ban. A service at a limit changes its state with every client that ends. Stderr is somebody's
 * log: twice what one handler may write (`linesPerSecond` in process/stderr.ts) for each of five handlers.
 */
export function budgetOf(event: DaemonEvent): { key: string; perSecond: number } | null {
  switch (event.event) {
    case "connection.refused":
      return { key: `${event.event} ${event.service} ${event.reason}`, perSecond: 50 };
    case "service.state":
      return { key: `${event.event} ${event.service}`, perSecond: 20 };
    case "handler.stderr":
      return { key: `${event.event} ${event.service}`, perSecond: 1_000 };
    default:
      return null;
  }
}

/** Stands for `suppressed` events: the last of them, within `duringMs`. */
export interface Summary {
  event: DaemonEvent;
  suppressed: number;
  duringMs: number;
}

export const summaryEveryMs = 5_000;

const windowMs = 1_000;
/** Beyond so many budgets, those that are not drawn on are forgotten. */
const mostBudgets = 1_024;

interface Budget {
  windowStart: number;
  /** In this window, logged or not. */
  seen: number;
  suppressed: { last: DaemonEvent; count: number; since: number } | null;
}

export class FloodGate {
  readonly #budgets = new Map<string, Budget>();
  /** When the first summary is due; `null` while nothing is held back. */
  #due: number | null = null;

  /** @returns whether the event is to be logged now; otherwise it is counted */
  admit(event: DaemonEvent, now: number): boolean {
    const rule = budgetOf(event);
    if (rule === null) return true;
    const budget = this.#budget(rule.key, now);
    if (now - budget.windowStart >= windowMs) {
      budget.windowStart = now;
      budget.seen = 0;
    }
    budget.seen += 1;
    if (budget.seen <= rule.perSecond) return true;
    budget.suppressed ??= { last: event, count: 0, since: now };
    budget.suppressed.last = event;
    budget.suppressed.count += 1;
    this.#due ??= now + summaryEveryMs;
    return false;
  }

  /** How many budgets are remembered. */
  get size(): number {
    return this.#budgets.size;
  }

  /** When `summaries` has something to say, on the clock of `now`; `null`: no timer is needed. */
  get due(): number | null {
    return this.#due;
  }

  /** All that was held back until now. */
  summaries(now: number): Summary[] {
    this.#due = null;
    const summaries: Summary[] = [];
    for (const budget of this.#budgets.values()) {
      if (budget.suppressed === null) continue;
      const { last, count, since } = budget.suppressed;
      budget.suppressed = null;
      summaries.push({ event: last, suppressed: count, duringMs: now - since });
    }
    return summaries;
  }

  #budget(key: string, now: number): Budget {
    const known = this.#budgets.get(key);
    if (known !== undefined) return known;
    if (this.#budgets.size >= mostBudgets) this.#forget(now);
    const budget: Budget = { windowStart: now, seen: 0, suppressed: null };
    this.#budgets.set(key, budget);
    return budget;
  }

  #forget(now: number): void {
    for (const [key, { windowStart, suppressed }] of this.#budgets) {
      if (suppressed === null && now - windowStart >= windowMs) this.#budgets.delete(key);
    }
  }
}

/** `"ssh" refused tcp://192.0.2.1:5: denied (the last of 1200 that were not logged, in 5.0s)`. */
export function describeSummary({ event, suppressed, duringMs }: Summary): string {
  return `${describe(event)} (the last of ${suppressed} that were not logged, in ${seconds(duringMs)})`;
}
