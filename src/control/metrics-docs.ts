/** docs/metrics.md, made from the table of metrics. */
import { metrics } from "./metrics.ts";

export function metricsMarkdown(): string {
  const rows = metrics.map(({ name, type, labels, help }) => {
    const with_ = labels.map((label) => `\`${label}\``).join(" ");
    return `| \`${name}\` | ${type} | ${with_} | ${help.replaceAll("|", "\\|")} |`;
  });
  const table = ["| metric | type | labels | meaning |", "|---|---|---|---|", ...rows].join("\n");
  return `# Metrics\n\n${intro}\n\n${table}\n\n${notes}\n`;
}

const intro = `\
<!-- Made by scripts/write-reference.ts from src/control/metrics.ts. -->

For Prometheus, in its text format: over the control socket, and with \`[daemon] http\` over TCP.

    curl --unix-socket /run/tinetd/control.sock http://tinetd/metrics

    # inetd.toml
    [daemon]
    http = "127.0.0.1:9464"

    # prometheus.yml
    scrape_configs:
      - job_name: tinetd
        static_configs:
          - targets: ["127.0.0.1:9464"]`;

const notes = `\
All counters begin at 0 with the daemon; those of a service also when a reload removes it and another adds it again.

**What it costs.** A connection costs a few additions. Everything else is read when somebody asks: queues of TCP
listeners by one call each, connections of handlers that accept by themselves and queues of Unix listeners by one look
at the kernel's table for all services together. Nothing is sampled in between, so that a daemon with nothing to do
sleeps.

**How late the event loop is.** A histogram of delays would need a timer that never rests. libuv's own accounts tell as
much: a turn of the loop takes on average

    rate(tinetd_event_loop_busy_seconds_total[5m]) / rate(tinetd_event_loop_turns_total[5m])

seconds, and that is how long an event waits for those that came just before it. The first of the two alone is the share
of the time in which the daemon is busy; at 1 there is none left.

**Bytes** are counted when a connection has ended: of TCP as the kernel tells it, of \`proxy\` and of UDP as tinetd has
relayed them. Of Unix connections that handlers hold the kernel keeps no account.

**What is not there**: figures by client (a stranger could make any number of them), and those of handlers' processes,
which \`tinetd ps\` shows one by one.

## Alerts to begin with

    # A service that cannot serve, for whatever reason.
    tinetd_service_state{state="failed"} == 1
    # Somebody waits and nobody is let in.
    min_over_time(tinetd_service_accept_queue_length[5m]) > 0
    # Clients are refused.
    sum by (service, reason) (rate(tinetd_service_refused_total[5m])) > 0
    # Handlers do not start.
    increase(tinetd_service_start_failures_total[10m]) > 3
    # A listener is missing while the others serve.
    tinetd_service_missing_listeners > 0
    # Descriptors are running out.
    process_open_fds / process_max_fds > 0.9`;
