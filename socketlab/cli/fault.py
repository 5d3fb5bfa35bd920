"""`socketlab fault`: what is wrong with a lab, and for how long."""

from socketlab.cli.group import group

fault = group(
    "fault",
    add="fault_add:add",
    list="fault_list:list_",
    heal="fault_list:heal",
    kinds="fault_kinds:kinds",
    log="fault_watch:log",
    watch="fault_watch:watch",
    step="fault_step:step",
)
