"""Generated messages; see the .proto files beside the modules."""
