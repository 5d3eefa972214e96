package localnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// maxStateFile bounds a file of state, in bytes.
const maxStateFile = 1 << 30

// ReadState reads an exported state: a raw chain specification, as nodes write
// it ({"genesis": {"raw": {"top": {key: value}}}}), or an object of keys and
// values alone. Keys and values are hex digits after 0x. The result is by
// bytes of the key.
func ReadState(r io.Reader) (map[string][]byte, error) {
	state, err := readState(r)
	if err != nil {
		return nil, fmt.Errorf("reading a state: %w; try: a raw chain specification, or an object of keys and values in hex", err)
	}
	return state, nil
}

func readState(r io.Reader) (map[string][]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxStateFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStateFile {
		return nil, fmt.Errorf("more than %d bytes", maxStateFile)
	}
	var spec struct {
		Genesis *struct {
			Raw *struct {
				Top map[string]string `json:"top"`
			} `json:"raw"`
		} `json:"genesis"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, jsonError(data, err)
	}
	var top map[string]string
	switch {
	case spec.Genesis != nil && spec.Genesis.Raw != nil:
		top = spec.Genesis.Raw.Top
	case spec.Genesis != nil:
		return nil, errors.New("it is a plain chain specification, of which build-spec --raw makes a raw one")
	default:
		if err := json.Unmarshal(data, &top); err != nil {
			return nil, jsonError(data, err)
		}
	}
	if len(top) == 0 {
		return nil, errors.New("it holds no keys")
	}
	state := make(map[string][]byte, len(top))
	for k, v := range top {
		key, err := strictHex(k)
		if err != nil {
			return nil, fmt.Errorf("key %.70q: %w", k, err)
		}
		value, err := strictHex(v)
		if err != nil {
			return nil, fmt.Errorf("the value of key %.70q: %w", k, err)
		}
		if len(key) == 0 {
			return nil, errors.New("a key is empty")
		}
		state[string(key)] = value
	}
	return state, nil
}

func strictHex(s string) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return nil, errors.New("hex digits after 0x are expected")
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// jsonError says where JSON is wrong.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := min(int(syntax.Offset), len(data))
		return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:at], []byte("\n")), err)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		at := min(int(wrong.Offset), len(data))
		return fmt.Errorf("line %d: a %s where a text in hex is expected", 1+bytes.Count(data[:at], []byte("\n")), wrong.Value)
	}
	return err
}

// cloneGenesis makes the first block of a chain that goes on from the state in
// Config.Clone. Its number is the state's System.Number, since much of the
// state counts in blocks. The hash of block 0 is made from the state, so that
// no transaction is valid on both chains.
func (c *Chain) cloneGenesis() (*block, changes, error) {
	f, err := os.Open(c.cfg.Clone)
	if err != nil {
		return nil, nil, fmt.Errorf("cloning a chain: %w; try: a file that an export wrote", err)
	}
	defer f.Close()
	state, err := ReadState(f)
	if err != nil {
		return nil, nil, fmt.Errorf("cloning a chain from %s: %w", c.cfg.Clone, err)
	}
	b, diff, err := c.beginFrom(state)
	if err != nil {
		return nil, nil, fmt.Errorf("cloning a chain from %s: %w", c.cfg.Clone, err)
	}
	return b, diff, nil
}

func (c *Chain) beginFrom(state map[string][]byte) (*block, changes, error) {
	l := newLayer(newStore())
	for k, v := range state {
		// The runtime's code and the node's own keys mean nothing here.
		if !strings.HasPrefix(k, ":") {
			l.set(k, v)
		}
	}
	e := &env{storage: storage{reader: l, items: c.rt.items, w: l}, rt: c.rt}
	if err := c.checkState(e); err != nil {
		return nil, nil, err
	}
	number := e.number()
	// What belongs to the block that was being made when the state was read.
	for _, item := range []string{"System.Events", "System.EventCount", "System.ExecutionPhase", "System.Digest", "System.ExtrinsicCount"} {
		e.remove(item)
	}
	for k, v := range l.writes {
		if v == nil {
			delete(l.writes, k)
		}
	}
	genesis := header{state: stateRoot(substrate.Hash{}, l.writes), extrinsics: extrinsicsRoot(nil)}
	c.genesis, c.cloned = genesis.hash(), true
	if number == 0 {
		e.setU32("System.Number", 0)
		return &block{header: genesis, id: c.genesis, undo: changes{}}, l.writes, nil
	}
	e.setRaw("System.BlockHash", c.genesis[:], le32(0))
	e.setRaw("System.ParentHash", c.genesis[:])
	h := header{parent: c.genesis, number: number, state: stateRoot(genesis.state, l.writes), extrinsics: extrinsicsRoot(nil)}
	return &block{header: h, id: h.hash(), undo: changes{}}, l.writes, nil
}

// number is the number of the block in the state.
func (s *storage) number() uint64 {
	if b := s.raw("System.Number"); len(b) >= 4 {
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
	}
	return 0
}

// checkState refuses a state that the runtime being played cannot have
// written.
func (c *Chain) checkState(e *env) error {
	if raw := e.get(e.items["System.LastRuntimeUpgrade"].key()); raw != nil {
		d := scale.NewDecoder(raw)
		spec, err := d.Compact()
		if err != nil {
			return fmt.Errorf("System.LastRuntimeUpgrade: %w; try: another state", err)
		}
		if spec != uint64(c.rt.spec) {
			return fmt.Errorf("the state is of spec version %d, and this chain plays %d; try: %s", spec, c.rt.spec, otherSpec(spec))
		}
	}
	accounts := 0
	for _, p := range c.rt.meta.Pallets {
		for _, item := range p.Storage {
			name := p.Name + "." + item.Name
			it := c.rt.items[name]
			plain := len(it.hashers) == 0
			for _, key := range e.keys(it.prefix, "", 1<<30) {
				if plain != (len(key) == len(it.prefix)) {
					return fmt.Errorf("key %s is none of %s in spec version %d; try: the version that wrote the state", substrate.Hex([]byte(key)), name, c.rt.spec)
				}
				if name == "System.Account" {
					accounts++
				}
				// Events hold every other type; they are not kept.
				if name == "System.Events" {
					continue
				}
				if _, err := c.rt.meta.DecodeAll(item.Value, e.get(key)); err != nil {
					return fmt.Errorf("the value of %s at %s is not one of spec version %d: %w; try: the version that wrote the state", name, substrate.Hex([]byte(key)), c.rt.spec, err)
				}
			}
		}
	}
	if accounts == 0 {
		return errors.New("the state holds no accounts: it is not a chain's; try: another state")
	}
	return nil
}

// otherSpec says what to do about a state of another version.
func otherSpec(spec uint64) string {
	known, err := profileFiles.ReadDir("profiles")
	if err != nil {
		return "another state"
	}
	for _, f := range known {
		if f.Name() == fmt.Sprintf("%d.json", spec) {
			return fmt.Sprintf("spec version %d", spec)
		}
	}
	return "a state of a version that this chain can play"
}

// Export writes the latest state as a raw chain specification, from which
// Config.Clone and ReadState begin again.
func (c *Chain) Export(w io.Writer) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	head := c.recent.head()
	about, err := json.Marshal(map[string]any{
		"name": "Bitmind localnet", "id": fmt.Sprintf("bitmind_localnet_%d", head.number), "chainType": "Development",
		"bootNodes": []string{}, "telemetryEndpoints": nil, "protocolId": nil, "properties": properties,
	})
	if err != nil {
		return fmt.Errorf("exporting the state: %w", err)
	}
	out := &hexWriter{w: w}
	out.text(string(about[:len(about)-1]))
	out.text(`,"genesis":{"raw":{"top":{`)
	for i, key := range c.st.keys("", "", c.st.size) {
		if i > 0 {
			out.text(",\n")
		}
		out.hex([]byte(key))
		out.text(":")
		out.hex(c.st.get(key))
	}
	out.text("},\"childrenDefault\":{}}}}\n")
	if err := out.flush(); err != nil {
		return fmt.Errorf("exporting the state: %w", err)
	}
	return nil
}

// hexWriter writes texts and bytes in pieces, and keeps the first error.
type hexWriter struct {
	w   io.Writer
	buf []byte
	err error
}

func (h *hexWriter) text(s string) {
	h.buf = append(h.buf, s...)
	if len(h.buf) > 1<<16 {
		_ = h.flush() // kept for the last flush
	}
}

func (h *hexWriter) hex(b []byte) {
	h.buf = append(h.buf, `"0x`...)
	h.buf = hex.AppendEncode(h.buf, b)
	h.text(`"`)
}

func (h *hexWriter) flush() error {
	if h.err == nil {
		_, h.err = h.w.Write(h.buf)
	}
	h.buf = h.buf[:0]
	return h.err
}
