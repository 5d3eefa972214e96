package provenance

import (
	"os"
	"path/filepath"
	"testing"
)

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 16<<10 {
			f.Add(data)
		}
	}
	f.Add(pngFile(chunk("tEXt", "parameters\x00"+webUI), chunk("zTXt", "prompt\x00\x00"+deflated([]byte(comfy)))))
	f.Add(jpegFile(segment(0xed, jpegPhotoshop+irb(0x0404, iim(80, "A. Photographer")))))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkBounds(t, read(data))
	})
}

// The formats inside a container are fuzzed by themselves too: a CRC or a length
// hides them from FuzzRead.
func FuzzClaims(f *testing.F) {
	f.Add(exifBlock(map[uint16]string{tagMake: "Canon"}, map[uint16]string{tagUserComment: utf16BE(webUI)}), byte(blockEXIF))
	f.Add([]byte(`<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><a xmp:CreatorTool="x"/></x:xmpmeta>`), byte(blockXMP))
	f.Add([]byte(irb(0x0404, iim(80, "A. Photographer"))), byte(blockIRB))
	f.Add([]byte(iim(80, "A. Photographer")), byte(blockIIM))
	f.Add([]byte(webUI), byte(blockText))
	f.Fuzz(func(t *testing.T, data []byte, kind byte) {
		found := findings{}
		found.add(blockKind(kind%5), "Comment", data)
		list := &claims{}
		found.addClaims(list)
		checkBounds(t, Report{Claims: append([]Claim{}, list.all...), Summary: "x", C2PA: C2PA{Note: "x"}})
	})
}
