"""`socketlab plan`: what happens when, run and checked."""

from socketlab.cli.group import group

plan = group("plan", run="plan_run:run", check="plan_check:check", schema="plan_check:schema")
