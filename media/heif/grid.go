package heif

import (
	"encoding/binary"
	"fmt"
)

// grid is a picture made of tiles of the same size, as telephones write them: it is
// decoded tile by tile, which takes little memory.
type grid struct {
	width, height         int
	rows, columns         int
	tileWidth, tileHeight int
	config                [][]byte // of each tile's decoder
	tiles                 [][]byte // their data
}

// readGrid reads the main item's description of a grid (ISO/IEC 23008-12, 6.6.2.3)
// and finds its tiles; nil where it is one that is better left to libheif, with what
// is wrong with it.
func (m *meta) readGrid(file []byte) *grid {
	r := reader{data: m.item(m.primary, file)}
	r.number(1)
	wide := r.number(1)&1 != 0
	g := &grid{rows: int(r.number(1)) + 1, columns: int(r.number(1)) + 1}
	g.width, g.height = int(min(r.id(wide), 1<<24)), int(min(r.id(wide), 1<<24))
	items := m.tiles[m.primary]
	if r.over || len(items) != g.rows*g.columns {
		return nil
	}
	for _, id := range items {
		if m.kinds[id] != "hvc1" {
			return nil
		}
		data := m.item(id, file)
		var config []byte
		for _, b := range m.list(id) {
			switch b.kind {
			case "hvcC":
				config = b.body
			case "ispe":
				w, ht, _ := extent(b)
				if g.tileWidth == 0 {
					g.tileWidth, g.tileHeight = w, ht
				}
				if w != g.tileWidth || ht != g.tileHeight {
					return nil
				}
			case "clap", "irot", "imir":
				return nil
			}
		}
		if data == nil || config == nil {
			return nil
		}
		g.tiles, g.config = append(g.tiles, data), append(g.config, config)
	}
	// Every tile has a part in the picture, so their number is bounded by its size.
	if g.tileWidth <= 0 || g.tileHeight <= 0 || (g.columns-1)*g.tileWidth >= g.width || g.columns*g.tileWidth < g.width ||
		(g.rows-1)*g.tileHeight >= g.height || g.rows*g.tileHeight < g.height {
		return nil
	}
	return g
}

// decodeGrid decodes a row of tiles at a time.
func (h Header) decodeGrid(memory int64, emit func(row []byte)) error {
	g := h.grid
	stride := 4 * h.Width
	strip := make([]byte, stride*g.tileHeight)
	memory -= int64(len(strip))
	for r := range g.rows {
		for c := range g.columns {
			tile, err := Probe(g.file(r*g.columns + c))
			if err != nil {
				return err
			}
			tile.colour = h.colour
			if tile.Width != g.tileWidth || tile.Height != g.tileHeight {
				return fmt.Errorf("%w: a tile of another size", ErrCorrupt)
			}
			at := 4 * c * g.tileWidth
			n := min(4*g.tileWidth, stride-at)
			y := 0
			if err := tile.decodeHEIC(memory, func(row []byte) {
				copy(strip[y*stride+at:][:n], row)
				y++
			}); err != nil {
				return fmt.Errorf("tile %d of %d: %w", r*g.columns+c+1, len(g.tiles), err)
			}
		}
		for y := range min(g.tileHeight, h.Height-r*g.tileHeight) {
			emit(strip[y*stride : (y+1)*stride])
		}
	}
	return nil
}

// file makes a file that holds a tile alone.
func (g *grid) file(tile int) []byte {
	full := func(kind string, version byte, parts ...[]byte) []byte {
		return makeBox(kind, append([][]byte{{version, 0, 0, 0}}, parts...)...)
	}
	u16, u32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	size := u32(u32(nil, uint32(g.tileWidth)), uint32(g.tileHeight))
	properties := makeBox("iprp",
		makeBox("ipco", makeBox("hvcC", g.config[tile]), full("ispe", 0, size)),
		full("ipma", 0, u32(nil, 1), u16(nil, 1), []byte{2, 0x81, 2}))
	meta := func(offset int) []byte {
		location := u16(u16(u16(u16([]byte{0x44, 0}, 1), 1), 0), 1)
		location = u32(u32(location, uint32(offset)), uint32(len(g.tiles[tile])))
		return full("meta", 0,
			full("hdlr", 0, make([]byte, 4), []byte("pict"), make([]byte, 13)),
			full("pitm", 0, u16(nil, 1)),
			full("iinf", 0, u16(nil, 1), full("infe", 2, u16(u16(nil, 1), 0), []byte("hvc1\x00"))),
			full("iloc", 0, location), properties)
	}
	start := makeBox("ftyp", []byte("heic\x00\x00\x00\x00mif1heic"))
	offset := len(start) + len(meta(0)) + 8
	return append(append(start, meta(offset)...), makeBox("mdat", g.tiles[tile])...)
}

func makeBox(kind string, parts ...[]byte) []byte {
	b := append(make([]byte, 4), kind...)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}
