package substrate

// NameRefusal opens transactionError to tests.
var NameRefusal = transactionError

// ParseFrames opens the reader of JSON-RPC messages to tests.
func ParseFrames(data []byte) error {
	_, err := parseFrames(data)
	return err
}
