/** The words for what a service and a handler are doing: the API, the log and the table all use these. */

export const serviceStateNames = ["stopped", "listening", "active", "paused", "limited", "failed"] as const;
export type ServiceStateName = (typeof serviceStateNames)[number];

export const handlerStateNames = ["starting", "ready", "idle", "frozen", "stopping"] as const;
export type HandlerStateName = (typeof handlerStateNames)[number];
