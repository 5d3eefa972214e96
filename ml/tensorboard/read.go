package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
)

// Event is one value as it was written. Which fields are set depends on the kind:
// a scalar has Scalar alone, a picture Image, all others Plugin and a tensor.
type Event struct {
	WallTime float64 // seconds since 1970
	Step     int64
	Tag      string // empty for events without a value, such as a file's first
	Scalar   float64
	Image    []byte // PNG
	Plugin   string // that shows the tensor: histograms, pr_curves, text
	Shape    []int
	Values   []float64 // of Shape
	Text     string
	Restart  bool // events of this step and later ones in earlier files are void
}

// ErrFormat says that a file holds other bytes than events.
var ErrFormat = errors.New("not an event file")

// maxRecord bounds what a damaged length can make Read allocate.
const maxRecord = 256 << 20

// ReadDir reads the event files of a folder in the order of their names.
func ReadDir(dir string) ([]Event, error) {
	files, err := eventFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	var all []Event
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading events: %w", err)
		}
		events, err := Read(f)
		_ = f.Close() // only read
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, events...)
	}
	return all, nil
}

// Read reads an event file as this package writes it. A last record that was cut
// off is left out, as TensorBoard does; other damage is an error that is
// ErrFormat, with the events before it.
func Read(r io.Reader) ([]Event, error) {
	var events []Event
	for n := 1; ; n++ {
		data, err := readRecord(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return events, nil
		}
		if err == nil {
			var e Event
			if e, err = decodeEvent(data); err == nil {
				events = append(events, e)
				continue
			}
		}
		return events, fmt.Errorf("record %d: %w", n, err)
	}
}

func readRecord(r io.Reader) ([]byte, error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(head[:8])
	if checksum(head[:8]) != binary.LittleEndian.Uint32(head[8:]) || size > maxRecord {
		return nil, fmt.Errorf("%w: wrong length", ErrFormat)
	}
	// In pieces, so that a length without data costs nothing.
	data, err := io.ReadAll(io.LimitReader(r, int64(size)+recordTail))
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) < size+recordTail {
		return nil, io.ErrUnexpectedEOF
	}
	if checksum(data[:size]) != binary.LittleEndian.Uint32(data[size:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrFormat)
	}
	return data[:size], nil
}

// field is one field of a message: a number, or bytes.
type field struct {
	number protowire.Number
	bits   uint64 // of a varint or fixed field
	bytes  []byte
}

// fields calls use for each field of a message.
func fields(data []byte, use func(field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrFormat, protowire.ParseError(n))
		}
		data = data[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(data)
			f.bits = uint64(v)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrFormat, protowire.ParseError(n))
		}
		data = data[n:]
		if err := use(f); err != nil {
			return err
		}
	}
	return nil
}

func decodeEvent(data []byte) (Event, error) {
	var e Event
	err := fields(data, func(f field) error {
		switch f.number {
		case eventWallTime:
			e.WallTime = math.Float64frombits(f.bits)
		case eventStep:
			e.Step = int64(f.bits)
		case eventSessionLog:
			e.Restart = true
		case eventSummary:
			return fields(f.bytes, func(f field) error {
				if f.number != summaryValue {
					return nil
				}
				return decodeValue(f.bytes, &e)
			})
		}
		return nil
	})
	return e, err
}

func decodeValue(data []byte, e *Event) error {
	return fields(data, func(f field) error {
		switch f.number {
		case valueTag:
			e.Tag = string(f.bytes)
		case valueSimple:
			e.Scalar = float64(math.Float32frombits(uint32(f.bits)))
		case valueImage:
			return fields(f.bytes, func(f field) error {
				if f.number == imageEncoded {
					e.Image = f.bytes
				}
				return nil
			})
		case valueTensor:
			return decodeTensor(f.bytes, e)
		case valueMetadata:
			return fields(f.bytes, func(f field) error {
				if f.number != metadataPlugin {
					return nil
				}
				return fields(f.bytes, func(f field) error {
					if f.number == pluginName {
						e.Plugin = string(f.bytes)
					}
					return nil
				})
			})
		}
		return nil
	})
}

func decodeTensor(data []byte, e *Event) error {
	var dtype uint64
	var content []byte
	err := fields(data, func(f field) error {
		switch f.number {
		case tensorType:
			dtype = f.bits
		case tensorContent:
			content = f.bytes
		case tensorString:
			e.Text = string(f.bytes)
		case tensorShape:
			return fields(f.bytes, func(f field) error {
				if f.number != shapeDim {
					return nil
				}
				return fields(f.bytes, func(f field) error {
					if f.number == dimSize {
						e.Shape = append(e.Shape, int(f.bits))
					}
					return nil
				})
			})
		}
		return nil
	})
	switch dtype {
	case typeFloat:
		for ; len(content) >= 4; content = content[4:] {
			e.Values = append(e.Values, float64(math.Float32frombits(binary.LittleEndian.Uint32(content))))
		}
	case typeDouble:
		for ; len(content) >= 8; content = content[8:] {
			e.Values = append(e.Values, math.Float64frombits(binary.LittleEndian.Uint64(content)))
		}
	}
	return err
}
