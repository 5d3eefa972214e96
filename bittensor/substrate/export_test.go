package substrate

// NameRefusal opens transactionError to tests.
var NameRefusal = transactionError

// ParseFrames opens the reader of JSON-RPC messages to tests.
func ParseFrames(data []byte) error {
	_, err := parseFrames(data)
	return err
}

// Understand opens the check before signing to tests.
func Understand(m *Metadata, c Call, known map[string]KnownCall) ([]byte, Call, error) {
	return m.understand(c, known)
}

// SameValue opens the comparison of given and decoded values to tests.
var SameValue = sameValue
