"""Updates and merged steps of Lode runs, read and written without Go.

docs/update-format.md is the specification, and the modules follow its sections:

    layout  layouts and chunks            section 1
    params  parameters                    section 2
    codec   the plain form of a chunk     sections 6 and 7
    sparse  the same where some are named sections 5 to 5.2
    support shared places                 section 5.2
    column  packed columns                section 9
    fit     which levels an encoder takes section 12
    update  whole updates                 sections 3 and 8 to 12
    step    merged steps                  section 13

`engine` trains for the program, in a process of its own.

`state` checks proofs of the chain's state (docs/state-proof.md).

What comes from others is refused with one of the errors of `errors`.
"""
