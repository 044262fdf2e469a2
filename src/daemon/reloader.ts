/** Reads the configuration again and has the services follow it; keeps what is in force. One reload after the other. */
import type { Config, Problem } from "../config/config.ts";
import { formatProblem } from "../config/problem.ts";
import type { Plan } from "../control/messages.ts";
import type { Refusal } from "../control/routes.ts";
import type { Emit } from "../log/events.ts";
import { err, ok, type Result } from "../util/result.ts";
import {
  type Change,
  followed,
  isNothing,
  mergeDaemon,
  plannedChanges,
  planReload,
  postponed,
  type ReloadPlan,
} from "./reload.ts";
import type { Roster } from "./roster.ts";
import { type DaemonChange, followAll, type Setting } from "./settings.ts";

export interface ReloaderWorld {
  emit: Emit;
  loadConfig(): Result<Config, Problem[]>;
  roster: Roster;
  settings: readonly Setting[];
  /** Another configuration is in force, with the services that it has no more. */
  applied(removed: readonly string[]): void;
}

export class Reloader {
  readonly #world: ReloaderWorld;
  #config: Config;
  #generation: number;
  /** The reload that is under way, or the last one. */
  #reloading: Promise<unknown> = Promise.resolve();
  #underWay = 0;

  /** @param generation that of `config`, where another process has got as far before */
  constructor(world: ReloaderWorld, config: Config, generation = 1) {
    this.#world = world;
    this.#config = config;
    this.#generation = generation;
  }

  /** Whether services are about to follow another configuration. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** What is in force. */
  get config(): Config {
    return this.#config;
  }

  /** 1, and one more with each reload that changed something. */
  get generation(): number {
    return this.#generation;
  }

  /** Resolves when all is done but the farewells of services that are removed. */
  reload({ dryRun }: { dryRun: boolean }): Promise<Result<Plan, Refusal>> {
    const reloaded = this.#reloading.then(() => this.#reload(dryRun));
    this.#underWay += 1;
    this.#reloading = reloaded
      .catch(() => {})
      .finally(() => {
        this.#underWay -= 1;
      });
    return reloaded;
  }

  async #reload(dryRun: boolean): Promise<Result<Plan, Refusal>> {
    const loaded = this.#world.loadConfig();
    if (!loaded.ok) return err(this.#invalid(loaded.error, dryRun));
    const plan = planReload(this.#config, loaded.value);
    if (dryRun) return ok(this.#describe(plan, plannedChanges(plan), []));
    const { changes, unfollowed } = await this.#carryOut(plan, loaded.value);
    const described = this.#describe(plan, changes, unfollowed);
    const failed = [
      ...described.changed.map(({ service, failure }) => ({ what: `"${service}"`, failure })),
      ...described.daemon.map(({ key, failure }) => ({ what: `[daemon] ${key}`, failure })),
    ].flatMap(({ what, failure }) => (failure === null ? [] : [`${what} is as before: ${failure}`]));
    this.#tell(described, failed.length > 0 ? failed.join("; ") : null);
    return ok(described);
  }

  #invalid(problems: readonly Problem[], dryRun: boolean): Refusal {
    const [first] = problems;
    const count = problems.length === 1 ? "1 error" : `${problems.length} errors`;
    const which = first === undefined ? "" : `: ${formatProblem(first)}`;
    if (!dryRun) this.#tell(null, `${count} in the configuration, nothing was changed${which}`);
    return {
      kind: "invalid",
      message: `${count} in the configuration, nothing was changed`,
      problems: problems.map(({ position, message, hint }) => ({ ...position, message, hint })),
    };
  }

  async #carryOut(
    plan: ReloadPlan,
    after: Config,
  ): Promise<{ changes: Change[]; unfollowed: DaemonChange[] }> {
    const before = this.#config;
    const { settings, roster } = this.#world;
    const follow = (later: boolean) =>
      followAll(
        settings.filter(({ afterServices }) => afterServices === later),
        plan.daemon,
        after.daemon,
      );
    const unfollowed = await follow(false);
    const changes = await roster.apply(plan);
    unfollowed.push(...(await follow(true)));
    // A service that could not follow is as it was, and the next reload tries again. One that is unchanged goes on with
    // what it has, and what was read of it now is thrown away: or there would be two of every service from now on.
    const taken = new Set([
      ...plan.added.map(({ name }) => name),
      ...changes.flatMap(({ service, failure }) => (failure === null ? [service] : [])),
    ]);
    const inForce = [...after.services].map(
      ([name, config]) => [name, taken.has(name) ? config : (before.services.get(name) ?? config)] as const,
    );
    const kept = [...postponed(plan), ...unfollowed.map(({ key }) => key)];
    this.#config = {
      ...after,
      services: new Map(inForce),
      daemon: mergeDaemon(before.daemon, after.daemon, kept),
    };
    if (!isNothing(plan)) this.#generation += 1;
    this.#world.applied(plan.removed);
    return { changes, unfollowed };
  }

  #describe(plan: ReloadPlan, changes: readonly Change[], unfollowed: readonly DaemonChange[]): Plan {
    const failures = new Map(unfollowed.map(({ key, failure }) => [key, failure]));
    return {
      generation: this.#generation,
      added: plan.added.map(({ name }) => name),
      removed: plan.removed,
      changed: changes.map(({ service, keys, workers, failure }) => ({ service, keys, workers, failure })),
      unchanged: plan.unchanged,
      daemon: followed(plan).map((key) => ({ key, failure: failures.get(key) ?? null })),
      postponed: postponed(plan),
      ended: changes.reduce((sum, { ended }) => sum + ended, 0),
    };
  }

  #tell(plan: Plan | null, error: string | null): void {
    this.#world.emit({
      event: "daemon.reload",
      generation: this.#generation,
      added: plan?.added ?? [],
      removed: plan?.removed ?? [],
      changed: plan?.changed.map(({ service }) => service) ?? [],
      unchanged: plan?.unchanged ?? this.#config.services.size,
      ...(plan === null || plan.daemon.length === 0 ? {} : { daemon: plan.daemon.map(({ key }) => key) }),
      ...(error === null ? {} : { error }),
    });
  }
}
