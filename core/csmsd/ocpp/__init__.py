"""OCPP-J without I/O: frames, correlation, errors, types and tolerant decoding. Bytes in, values out."""
