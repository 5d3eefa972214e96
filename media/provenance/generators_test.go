package provenance

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"sort"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// chunk makes a PNG chunk.
func chunk(kind, body string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngFile makes a PNG of one pixel with more chunks before its end.
func pngFile(chunks ...[]byte) []byte {
	out := []byte(pngSignature)
	out = append(out, chunk("IHDR", "\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00")...)
	for _, c := range chunks {
		out = append(out, c...)
	}
	out = append(out, chunk("IDAT", deflated([]byte{0, 1, 2, 3}))...)
	return append(out, chunk("IEND", "")...)
}

func deflated(data []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.String()
}

// exifBlock makes a TIFF of text fields, and of those of its Exif directory.
func exifBlock(fields, exif map[uint16]string) []byte {
	const start = 8
	count := len(fields) + 1
	out := []byte("II*\x00\x08\x00\x00\x00")
	var values []byte
	base := start + 2 + 12*count + 4
	directory := func(fields map[uint16]string, base int, pointer bool) []byte {
		tags := make([]int, 0, len(fields))
		for tag := range fields {
			tags = append(tags, int(tag))
		}
		sort.Ints(tags)
		n := len(tags)
		if pointer {
			n++
		}
		dir := binary.LittleEndian.AppendUint16(nil, uint16(n))
		for _, tag := range tags {
			value := fields[uint16(tag)] + "\x00\x00\x00\x00"
			dir = binary.LittleEndian.AppendUint16(dir, uint16(tag))
			dir = binary.LittleEndian.AppendUint16(dir, 7)
			dir = binary.LittleEndian.AppendUint32(dir, uint32(len(value)))
			dir = binary.LittleEndian.AppendUint32(dir, uint32(base+len(values)))
			values = append(values, value...)
		}
		return dir
	}
	main := directory(fields, base, true)
	main = binary.LittleEndian.AppendUint16(main, tagExifIFD)
	main = binary.LittleEndian.AppendUint16(main, 4)
	main = binary.LittleEndian.AppendUint32(main, 1)
	main = binary.LittleEndian.AppendUint32(main, 0) // filled in below
	main = append(main, 0, 0, 0, 0)
	sub := directory(exif, base, false)
	binary.LittleEndian.PutUint32(main[len(main)-8:], uint32(base+len(values)))
	return append(append(append(out, main...), values...), sub...)
}

// jpegFile makes the start of a JPEG, with application segments.
func jpegFile(segments ...[]byte) []byte {
	out := []byte{0xff, 0xd8}
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, 0xff, 0xd9)
}

func segment(marker byte, body string) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2))
	return append(out, body...)
}

// webpFile makes the container of a WebP.
func webpFile(kind, body string) []byte {
	part := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...)
	part = append(part, body...)
	if len(body)%2 == 1 {
		part = append(part, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(part)))
	return append(append(out, "WEBP"...), part...)
}

// utf16BE is how AUTOMATIC1111 writes parameters into a JPEG's UserComment.
func utf16BE(s string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return "UNICODE\x00" + string(out)
}

func utf16LE(s string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return "UNICODE\x00" + string(out)
}

const (
	webUI = "a cat, masterpiece\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: ad2a33c361"
	comfy = `{"3": {"inputs": {"seed": 156680208700286, "steps": 20, "is_changed": [NaN]}, "class_type": "KSampler"}}`
	graph = `{"last_node_id": 9, "last_link_id": 9, "nodes": [{"id": 7, "type": "CLIPTextEncode"}], "links": [], "version": 0.4}`
	swarm = `{"sui_image_params": {"prompt": "a cat", "model": "sdxl", "seed": 1, "steps": 20}}`
)

func TestGeneratorsAreRecognised(t *testing.T) {
	text := func(keyword, value string) []byte { return pngFile(chunk("tEXt", keyword+"\x00"+value)) }
	international := func(keyword, value string) []byte {
		return pngFile(chunk("iTXt", keyword+"\x00\x00\x00\x00\x00"+value))
	}
	comment := func(value string) []byte { return exifBlock(nil, map[uint16]string{tagUserComment: value}) }
	xmp := func(inner string) []byte {
		return international("XML:com.adobe.xmp", `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">`+inner+`</rdf:Description></rdf:RDF></x:xmpmeta>`)
	}
	tests := []struct {
		of     string
		data   []byte
		source Source
		name   string
	}{
		{"AUTOMATIC1111", text("parameters", webUI), SourcePNGText, "Stable Diffusion parameters"},
		{"AUTOMATIC1111, compressed", pngFile(chunk("zTXt", "parameters\x00\x00"+deflated([]byte(webUI)))), SourcePNGText, "Stable Diffusion parameters"},
		{"AUTOMATIC1111, other letters", international("parameters", "кошка\n"+webUI), SourcePNGText, "Stable Diffusion parameters"},
		{"AUTOMATIC1111, compressed iTXt", pngFile(chunk("iTXt", "parameters\x00\x01\x00\x00\x00"+deflated([]byte(webUI)))), SourcePNGText, "Stable Diffusion parameters"},
		{"AUTOMATIC1111, JPEG", jpegFile(segment(0xe1, jpegExif+string(comment(utf16BE(webUI))))), SourceEXIF, "Stable Diffusion parameters"},
		{"little-endian comment, WebP", webpFile("EXIF", string(comment(utf16LE(webUI)))), SourceEXIF, "Stable Diffusion parameters"},
		{"ASCII comment, WebP", webpFile("EXIF", jpegExif+string(comment("ASCII\x00\x00\x00"+webUI))), SourceEXIF, "Stable Diffusion parameters"},
		{"no character set", jpegFile(segment(0xe1, jpegExif+string(comment(webUI)))), SourceEXIF, "Stable Diffusion parameters"},
		{"ComfyUI", text("prompt", comfy), SourcePNGText, "ComfyUI prompt"},
		{"ComfyUI's graph", text("workflow", graph), SourcePNGText, "ComfyUI workflow"},
		{"ComfyUI, WebP", webpFile("EXIF", string(exifBlock(map[uint16]string{tagModel: "prompt:" + comfy}, nil))), SourceEXIF, "ComfyUI prompt"},
		{"ComfyUI's graph, WebP", webpFile("EXIF", string(exifBlock(map[uint16]string{tagMake: "Workflow: " + graph}, nil))), SourceEXIF, "ComfyUI workflow"},
		{"InvokeAI 3", text("invokeai_metadata", `{"generation_mode": "txt2img", "positive_prompt": "a cat"}`), SourcePNGText, "InvokeAI parameters"},
		{"InvokeAI 2", text("sd-metadata", `{"model": "stable diffusion", "image": {"prompt": []}}`), SourcePNGText, "InvokeAI parameters"},
		{"InvokeAI 1", text("Dream", `"a cat" -s 50 -S 3357757885 -W 512 -H 512 -C 7.5 -A k_lms`), SourcePNGText, "InvokeAI parameters"},
		{"NovelAI", text("Software", "NovelAI"), SourcePNGText, "Software"},
		{"NovelAI's model", text("Source", "Stable Diffusion XL 7BCCAA2C"), SourcePNGText, "Source"},
		{"NovelAI's settings", text("Comment", `{"prompt": "a cat", "steps": 28, "sampler": "k_euler", "noise_schedule": "native", "signed_hash": "x"}`), SourcePNGText, "NovelAI parameters"},
		{"Midjourney", text("Description", "a cat --ar 3:2 --v 7 Job ID: 0de5d5c3-85a6-44ee-8a0e-fd1ba2a3f0c1"), SourcePNGText, "Midjourney description"},
		{"Midjourney's XMP", xmp(`<dc:description><rdf:Alt><rdf:li xml:lang="x-default">a cat --v 7 Job ID: 0de5d5c3-85a6-44ee-8a0e-fd1ba2a3f0c1</rdf:li></rdf:Alt></dc:description>`), SourceXMP, "Midjourney description"},
		{"DALL-E", text("Software", "OpenAI DALL·E 3"), SourcePNGText, "Software"},
		{"DALL-E's title", text("Title", "DALL-E 2 picture"), SourcePNGText, "Title"},
		{"ChatGPT's XMP", xmp(`<xmp:CreatorTool>ChatGPT</xmp:CreatorTool>`), SourceXMP, "CreatorTool"},
		{"Stability AI", text("Software", "Stability AI"), SourcePNGText, "Software"},
		{"Draw Things", xmp(`<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{"c": "a cat", "sampler": "DPM++ 2M Karras", "seed": 1, "steps": 20}</rdf:li></rdf:Alt></exif:UserComment>`), SourceXMP, "generation parameters"},
		{"Draw Things by name", xmp(`<xmp:CreatorTool>Draw Things</xmp:CreatorTool>`), SourceXMP, "CreatorTool"},
		{"Fooocus", text("parameters", `{"prompt": "a cat", "seed": "1", "steps": 30, "version": "Fooocus v2.5.5"}`), SourcePNGText, "Fooocus parameters"},
		{"Fooocus's scheme", text("fooocus_scheme", "fooocus"), SourcePNGText, "Fooocus parameters"},
		{"SwarmUI", text("parameters", swarm), SourcePNGText, "SwarmUI parameters"},
		{"SwarmUI, JPEG", jpegFile(segment(0xe1, jpegExif+string(comment(utf16BE(swarm))))), SourceEXIF, "SwarmUI parameters"},
		{"Easy Diffusion", text("use_stable_diffusion_model", "sd-v1-4"), SourcePNGText, "Easy Diffusion parameters"},
		{"IPTC 2025.1", xmp(`<Iptc4xmpExt:AISystemUsed>Some Model</Iptc4xmpExt:AISystemUsed>`), SourceXMP, "AISystemUsed"},
		{"source type as a resource", xmp(`<Iptc4xmpExt:DigitalSourceType rdf:resource="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"/>`), SourceXMP, "digitalSourceType"},
		{"hexadecimal EXIF", pngFile(chunk("zTXt", "Raw profile type exif\x00\x00"+deflated([]byte(rawForm("exif", string(comment(utf16BE(webUI)))))))), SourceEXIF, "Stable Diffusion parameters"},
		{"IPTC-IIM", jpegFile(segment(0xed, jpegPhotoshop+irb(0x0404, iim(110, "Made with Google AI")))), SourceIPTC, "Credit"},
		{"IPTC-IIM after other resources", jpegFile(segment(0xed, jpegPhotoshop+irb(0x03ed, "abc")+irb(0x0404, iim(5, "x")+iim(40, "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")))), SourceIPTC, "digitalSourceType"},
	}
	for _, test := range tests {
		r := read(test.data)
		checkBounds(t, r)
		if len(r.Claims) != 1 {
			t.Errorf("%s: claims %v", test.of, r.Claims)
			continue
		}
		c := r.Claims[0]
		if c.Source != test.source || c.Name != test.name || c.Says != SaysGenerator {
			t.Errorf("%s: %+v; want %s, %s", test.of, c, test.source, test.name)
		}
	}
}

func rawForm(name, raw string) string {
	var b strings.Builder
	b.WriteString("\n" + name + "\n    " + itoa(len(raw)))
	for i := range len(raw) {
		if i%36 == 0 {
			b.WriteByte('\n')
		}
		const digits = "0123456789abcdef"
		b.WriteByte(digits[raw[i]>>4])
		b.WriteByte(digits[raw[i]&15])
	}
	return b.String() + "\n"
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// irb makes a Photoshop resource block, iim an IPTC dataset.
func irb(id uint16, body string) string {
	out := binary.BigEndian.AppendUint16([]byte("8BIM"), id)
	out = append(out, 0, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return string(out) + body + strings.Repeat("\x00", len(body)&1)
}

func iim(set byte, value string) string {
	out := binary.BigEndian.AppendUint16([]byte{0x1c, 2, set}, uint16(len(value)))
	return string(out) + value
}

// What only resembles a generator's traces is none.
func TestOthersAreNotTakenForGenerators(t *testing.T) {
	for name, data := range map[string][]byte{
		"a description": pngFile(chunk("tEXt", "Description\x00"+strings.Repeat("A long text on how Midjourney and DALL-E changed stock photography. ", 10))),
		"an author":     pngFile(chunk("tEXt", "Author\x00Stable Diffusion")),
		"steps":         pngFile(chunk("tEXt", "Comment\x00Steps: 20, then left")),
		"JSON":          pngFile(chunk("tEXt", `Comment`+"\x00"+`{"prompt": "Who is this?", "answer": "A cat"}`)),
		"a job":         pngFile(chunk("tEXt", "Comment\x00Job ID: 12345")),
		"letters":       pngFile(chunk("tEXt", "Software\x00Midjourneyman 1.0")),
		"camera":        jpegFile(segment(0xe1, jpegExif+string(exifBlock(map[uint16]string{tagMake: "Canon", tagModel: "Canon EOS R5", tagSoftware: "Firmware Version 1.8.1"}, nil)))),
		"IPTC":          jpegFile(segment(0xed, jpegPhotoshop+irb(0x0404, iim(80, "Béatrice Dalle")+iim(110, "Reuters")))),
	} {
		for _, c := range read(data).Claims {
			if c.Says == SaysGenerator {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

func TestSourceTypes(t *testing.T) {
	for in, want := range map[string]string{
		"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia": "trainedAlgorithmicMedia",
		"https://cv.iptc.org/newscodes/digitalSourceType/digitalCapture/":        "digitalCapture",
		"http://c2pa.org/digitalsourcetype/empty":                                "empty",
		"digsrctype:x": "digsrctype:x",
		"print":        "print",
		"":             "",
	} {
		if got := SourceTypeTerm(in); got != want {
			t.Errorf("SourceTypeTerm(%q) = %q, want %q", in, got, want)
		}
	}
	for term, meaning := range sourceTypes {
		if meaning.words == "" || meaning.says == "" {
			t.Errorf("%s has no meaning", term)
		}
	}
}

func TestIPTCIsRead(t *testing.T) {
	data := jpegFile(segment(0xed, jpegPhotoshop+irb(0x0404, iim(80, "A. Photographer")+iim(110, "An Agency")+iim(115, "A Source")+iim(116, "2026")+iim(65, "Adobe Photoshop"))))
	want := []Claim{
		{Source: SourceIPTC, Name: "By-line", Value: "A. Photographer", Says: SaysNone},
		{Source: SourceIPTC, Name: "Credit", Value: "An Agency", Says: SaysNone},
		{Source: SourceIPTC, Name: "Source", Value: "A Source", Says: SaysNone},
		{Source: SourceIPTC, Name: "Copyright Notice", Value: "2026", Says: SaysNone},
		{Source: SourceIPTC, Name: "Originating Program", Value: "Adobe Photoshop", Says: SaysEdited},
	}
	if diff := cmp.Diff(want, brief(read(data).Claims)); diff != "" {
		t.Error(diff)
	}
}

// bmffBox makes a box.
func bmffBox(kind, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))) + kind + body
}

// An item counts where it lies inside a media data box, and nowhere else.
func TestItemsOutsideMediaData(t *testing.T) {
	exif := "\x00\x00\x00\x00" + string(exifBlock(map[uint16]string{tagMake: "Examplecam"}, nil))
	file := func(offset uint32, version byte, base uint32, media string) []byte {
		be := func(v uint32) string { return string(binary.BigEndian.AppendUint32(nil, v)) }
		infe := bmffBox("infe", "\x02\x00\x00\x00\x00\x01\x00\x00Exif\x00")
		iinf := bmffBox("iinf", "\x00\x00\x00\x00\x00\x01"+infe)
		method := ""
		if version > 0 {
			method = "\x00\x00"
		}
		iloc := bmffBox("iloc", string(rune(version))+"\x00\x00\x00\x44\x40\x00\x01\x00\x01"+method+"\x00\x00"+be(base)+"\x00\x01"+be(offset-base)+be(uint32(len(exif))))
		return []byte(bmffBox("ftyp", "heic\x00\x00\x00\x00mif1heic") + bmffBox("meta", "\x00\x00\x00\x00"+iinf+iloc) + bmffBox("mdat", media))
	}
	for _, version := range []byte{0, 1} {
		length := uint32(len(file(0, version, 0, "")))
		inside := file(length, version, 5, exif)
		if r := read(inside); len(r.Claims) != 1 {
			t.Errorf("iloc version %d: inside the box: %v", version, r.Claims)
		}
		outside := append(file(length+4, version, 0, "1234"), exif...)
		if r := read(outside); len(r.Claims) != 0 {
			t.Errorf("iloc version %d: past the last box: %v", version, r.Claims)
		}
		across := append(file(length, version, 0, exif[:8]), exif[8:]...)
		if r := read(across); len(r.Claims) != 0 {
			t.Errorf("iloc version %d: over the end of the box: %v", version, r.Claims)
		}
	}
}

func TestWebPBeyondItsSize(t *testing.T) {
	data := webpFile("EXIF", string(exifBlock(map[uint16]string{tagMake: "Examplecam"}, nil)))
	if r := read(data); len(r.Claims) != 1 {
		t.Fatalf("%v", r.Claims)
	}
	binary.LittleEndian.PutUint32(data[4:], 4)
	if r := read(data); len(r.Claims) != 0 {
		t.Errorf("beyond the RIFF size: %v", r.Claims)
	}
}
