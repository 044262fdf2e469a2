# Plain C against Node-API, so that one binary serves every Node that speaks version 8 of it.
{
  "targets": [
    {
      "target_name": "tinetd",
      "sources": [
        "c/accept.c",
        "c/addon.c",
        "c/address.c",
        "c/arguments.c",
        "c/child.c",
        "c/clone.c",
        "c/constants.c",
        "c/descriptor.c",
        "c/diag.c",
        "c/diag_events.c",
        "c/diag_inet.c",
        "c/diag_inet_query.c",
        "c/diag_rows.c",
        "c/diag_unix.c",
        "c/epoll.c",
        "c/errors.c",
        "c/file.c",
        "c/launch.c",
        "c/message.c",
        "c/names.c",
        "c/options.c",
        "c/plan.c",
        "c/process.c",
        "c/relay.c",
        "c/relay_flow.c",
        "c/relay_pipe.c",
        "c/relay_run.c",
        "c/relay_side.c",
        "c/relay_state.c",
        "c/results.c",
        "c/signal.c",
        "c/socket.c",
        "c/spawn.c",
        "c/start.c",
        "c/strings.c",
        "c/users.c",
        "c/wait.c",
        "c/watch.c"
      ],
      "defines": ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      # Every symbol is bound at load: the child of a spawn must not enter the dynamic linker.
      "ldflags": ["-Wl,-z,relro,-z,now"]
    }
  ]
}
