package provenance

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// The namespaces of XMP properties that are read.
const (
	nsRDF       = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsXMP       = "http://ns.adobe.com/xap/1.0/"
	nsDC        = "http://purl.org/dc/elements/1.1/"
	nsDCTerms   = "http://purl.org/dc/terms/"
	nsTIFF      = "http://ns.adobe.com/tiff/1.0/"
	nsEXIF      = "http://ns.adobe.com/exif/1.0/"
	nsEXIFEx    = "http://cipa.jp/exif/1.0/"
	nsAux       = "http://ns.adobe.com/exif/1.0/aux/"
	nsPhotoshop = "http://ns.adobe.com/photoshop/1.0/"
	nsIPTCExt   = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
	nsEvent     = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
)

// The most that is read of an XMP packet.
const (
	maxXMPDepth  = 64
	maxXMPTokens = 50_000
)

// addXMP lists the claims of an XMP packet (ISO 16684-1). Nothing outside the
// packet is ever fetched or resolved.
func (c *claims) addXMP(packet []byte) {
	// A leading byte-order mark, and the padding that fills a packet.
	packet = bytes.Trim(bytes.TrimPrefix(packet, []byte("\xef\xbb\xbf")), "\x00 \r\n\t")
	d := xml.NewDecoder(bytes.NewReader(packet))
	d.Strict = false // undefined entities stay as they are
	x := xmpReader{claims: c}
	for range maxXMPTokens {
		token, err := d.Token()
		if err != nil {
			break // the end, or damage: what came before it counts
		}
		switch token := token.(type) {
		case xml.StartElement:
			x.open = append(x.open, token.Name)
			if len(x.open) > maxXMPDepth {
				x.finish()
				return
			}
			x.text.Reset()
			for _, a := range token.Attr {
				switch {
				case a.Name.Space == nsRDF && a.Name.Local == "resource":
					x.property(x.current(), a.Value)
				case a.Name.Space != nsRDF:
					x.property(a.Name, a.Value)
				}
			}
		case xml.CharData:
			x.text.Write(token)
		case xml.EndElement:
			if text := strings.TrimSpace(x.text.String()); text != "" {
				x.property(x.current(), text)
			}
			x.text.Reset()
			if len(x.open) > 0 {
				x.open = x.open[:len(x.open)-1]
			}
		}
	}
	x.finish()
}

// xmpReader turns the properties of a packet into claims, one after the other.
type xmpReader struct {
	claims *claims
	open   []xml.Name // elements
	text   strings.Builder
	// History: what was done, and by which programs.
	actions, agents []string
}

// current is the property that the innermost open elements belong to: RDF's own
// elements (Bag, Seq, Alt, li, Description) only hold its values.
func (x *xmpReader) current() xml.Name {
	for i := len(x.open) - 1; i >= 0; i-- {
		if x.open[i].Space != nsRDF {
			return x.open[i]
		}
	}
	return xml.Name{}
}

// property takes one value of a property.
func (x *xmpReader) property(name xml.Name, value string) {
	c := x.claims
	switch name.Space {
	case nsXMP:
		if name.Local == "CreatorTool" {
			c.add(software(SourceXMP, "CreatorTool", value))
		}
	case nsDC:
		switch name.Local {
		case "creator":
			c.add(author(SourceXMP, "creator", value))
		case "rights":
			c.add(rights(SourceXMP, "rights", value))
		case "description", "title":
			c.addParameters(SourceXMP, "", value)
		}
	case nsDCTerms:
		if name.Local == "provenance" {
			c.add(Claim{
				Source: SourceXMP, Name: "provenance", Value: value, Says: SaysNone,
				Text: "The file points to a signed history that is kept elsewhere; it was not fetched.",
			})
		}
	case nsTIFF, nsEXIF, nsEXIFEx, nsAux:
		x.exif(name.Local, value)
	case nsPhotoshop:
		switch name.Local {
		case "Credit", "Source":
			c.add(credit(SourceXMP, name.Local, value))
		}
	case nsIPTCExt:
		x.iptc(name.Local, value)
	case nsEvent:
		switch {
		case name.Local == "action" && len(x.actions) < MaxActions:
			x.actions = append(x.actions, value)
		case name.Local == "softwareAgent" && len(x.agents) < MaxActions:
			if n := len(x.agents); n == 0 || x.agents[n-1] != value {
				x.agents = append(x.agents, value)
			}
		}
	}
}

// exif takes a property that stands for an EXIF field.
func (x *xmpReader) exif(local, value string) {
	c := x.claims
	switch local {
	case "Make":
		c.add(cameraMake(SourceXMP, value))
	case "Model":
		c.add(cameraModel(SourceXMP, value))
	case "Lens", "LensModel":
		c.add(lens(SourceXMP, value))
	case "Software":
		c.add(software(SourceXMP, "Software", value))
	case "DateTimeOriginal":
		c.add(taken(SourceXMP, value))
	case "GPSLatitude":
		c.add(gps(SourceXMP))
	case "UserComment":
		c.addParameters(SourceXMP, "", value)
	}
}

// iptc takes a property of the IPTC Extension schema (Photo Metadata 2025.1).
func (x *xmpReader) iptc(local, value string) {
	c := x.claims
	switch strings.ToLower(local) {
	case "digitalsourcetype":
		if term, ok := sourceTypeIn(value); ok {
			c.add(digitalSource(SourceXMP, "digitalSourceType", term))
		}
	case "aisystemused":
		c.add(Claim{
			Source: SourceXMP, Name: local, Value: value, Says: SaysGenerator,
			Text: "The file says that a generative model was used: " + quoted(value) + ".",
		})
	case "aipromptinformation":
		c.add(Claim{
			Source: SourceXMP, Name: local, Value: value, Says: SaysGenerator,
			Text: "The file holds a prompt for a generative model.",
		})
	}
}

// finish adds what needs the whole packet: the history.
func (x *xmpReader) finish() {
	if len(x.actions) == 0 && len(x.agents) == 0 {
		return
	}
	agents := strings.Join(x.agents, ", ")
	claim := Claim{Source: SourceXMP, Name: "History", Value: strings.Join(x.actions, ", "), Says: SaysEdited}
	if agents != "" {
		claim.Value += " (" + agents + ")"
		claim.Text = "The file says that it was worked on with " + quoted(agents) + "."
	} else {
		claim.Text = "The file holds a history of edits."
	}
	for _, agent := range x.agents {
		if program, ok := generatorNamed(agent); ok {
			claim.Says = SaysGenerator
			claim.Text = "The file's history of edits names " + program + ", a generator of pictures."
		}
	}
	x.claims.add(claim)
}
