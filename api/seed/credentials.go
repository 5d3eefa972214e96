package seed

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// maxCredentials bounds a credentials file, or a frontend's answer, in bytes.
const maxCredentials = 64 << 10

// Credentials say who may ask a validator, as in the Python project: somebody who
// holds an Ed25519 key has signed a message with it, once, and the validator keeps
// message and signature. A request is let in when it names the public key with which
// the signature verifies. So the public key is the secret, shared by those who may
// ask; send it over TLS.
type Credentials struct {
	list []credential
}

type credential struct {
	Message   string `json:"message"`
	Signature []byte `json:"signature"` // base64
}

// ParseCredentials reads {"message": …, "signature": base64}, as a frontend of the
// Python project answers /get-credentials, or a list of such.
func ParseCredentials(data []byte) (*Credentials, error) {
	c := &Credentials{}
	var err error
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '[' {
		err = json.Unmarshal(trimmed, &c.list)
	} else {
		var one credential
		err = json.Unmarshal(trimmed, &one)
		c.list = []credential{one}
	}
	if err != nil {
		return nil, fmt.Errorf(`credentials that cannot be read: %w; try: {"message": "…", "signature": "base64"}`, err)
	}
	if len(c.list) == 0 || len(c.list) > 100 {
		return nil, fmt.Errorf("%d credentials; try: 1 to 100", len(c.list))
	}
	for i, one := range c.list {
		if one.Message == "" || len(one.Signature) != ed25519.SignatureSize {
			return nil, fmt.Errorf("credential %d has no message, or a signature of %d bytes where Ed25519 has %d", i+1, len(one.Signature), ed25519.SignatureSize)
		}
	}
	return c, nil
}

// ReadCredentials reads a credentials file.
func ReadCredentials(path string) (*Credentials, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := ParseCredentials(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// FetchCredentials asks a frontend for them, as the Python project's validators do at
// their start: it is told the validator's uid and what to put after its address. The
// Python project's frontends have the path /get-credentials.
func FetchCredentials(ctx context.Context, client *http.Client, frontend, postfix string, uid uint16) (*Credentials, error) {
	body, err := json.Marshal(map[string]any{"postfix": postfix, "uid": uid})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(frontend, "/")+"/get-credentials", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the frontend for credentials: %w", err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the frontend for credentials: it answered %s", reply.Status)
	}
	data, err := readAll(reply.Body)
	if err != nil {
		return nil, fmt.Errorf("asking the frontend for credentials: %w", err)
	}
	return ParseCredentials(data)
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxCredentials+1))
	if err == nil && len(data) > maxCredentials {
		err = errors.New("credentials of more than 64 kB")
	}
	return data, err
}

// Allow says whether an authorization, the base64 of a public key, fits one of the
// credentials.
func (c *Credentials) Allow(authorization string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(authorization))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	for _, one := range c.list {
		if ed25519.Verify(key, []byte(one.Message), one.Signature) {
			return true
		}
	}
	return false
}
