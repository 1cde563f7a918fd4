"""What is served, as OpenAPI documents: kubectl explains, validates and merges by them.

`schemas` turns built-in definitions and CustomResourceDefinitions into OpenAPI schemas, `paths` describes the requests,
`documents` puts both together for versions 2 and 3, and `protobuf` writes version 2 in the encoding client-go reads.
"""
