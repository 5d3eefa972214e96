package decode

func isPlainTIFF([]byte) bool { return false }

func (h *header) probeTIFF(data []byte) error { return unsupported("TIFF") }
