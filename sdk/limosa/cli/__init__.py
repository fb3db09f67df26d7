"""The command `limosa`: arguments in, exit status out.

One file per verb in `commands`, one row per verb in `main.VERBS`. What belongs here: options, what goes to standard
output, exit codes, asking and answering. What does not: how things look (`limosa.render`), calls (`limosa.remote`),
where values come from (`limosa.config`). Standard output carries results only; everything else goes to standard error.
"""
