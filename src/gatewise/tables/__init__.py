"""Tables from files: read whatever people have, say what was done, refuse with file, line and column."""

from gatewise.tables.columns import Column, choose_columns, columns_from_json, encode
from gatewise.tables.sequences import Recordings, StepRoles, labeled, read_recordings, with_labels, with_targets
from gatewise.tables.series import Known, Panel, Roles, read_panel
from gatewise.tables.steps import Step, find_step
from gatewise.tables.table import Table, counted, listed, read_table
from gatewise.tables.times import Times, parse_times

__all__ = [
    "Column",
    "Known",
    "Panel",
    "Recordings",
    "Roles",
    "Step",
    "StepRoles",
    "Table",
    "Times",
    "choose_columns",
    "columns_from_json",
    "counted",
    "encode",
    "find_step",
    "labeled",
    "listed",
    "parse_times",
    "read_panel",
    "read_recordings",
    "read_table",
    "with_labels",
    "with_targets",
]
