"""An engine of Lode in a process of its own: it trains models for the program.

The program starts it, speaks to it in frames of CBOR over its standard input and output,
and shares memory with it for parameters, gradient and moments. Modules, in the order in
which to read them:

    cbor       the values that travel
    wire       frames, and how progress is told
    memory     the tensors in shared memory
    serve      the calls, and which backend answers them
    optimizer  one step of AdamW or Muon, on arrays of any library
    reference  the backend in numpy, by hand: what the others are held to
    tape       the stages of models for it, forward and backward
    module     the backend in PyTorch, for any nn.Module
    custom     models of a user's own
    program    the stages of models for it, as an nn.Module
    team       several processes that are one engine: how they meet, are called and agree
    follow     the process that follows, on this machine or another
    spread     the whole model in each of them, for some of the rows
    shard      the model cut over them, by FSDP2

A backend that needs a library imports it when it is opened, not before: who lacks
PyTorch is told so in words.
"""
