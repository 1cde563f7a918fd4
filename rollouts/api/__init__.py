"""The contract with users: types, parsing, validation and schemas of the five kinds. Knows no behaviour."""
