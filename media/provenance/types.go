package provenance

// Report is what a picture's file says about where the picture comes from. Its
// JSON is part of the public API.
type Report struct {
	// C2PA is the picture's signed history, the only part that can be checked.
	C2PA C2PA `json:"c2pa" doc:"The signed history (Content Credentials), the only part that can be checked"`
	// Claims holds what unsigned metadata says, and what a valid manifest adds, in
	// the order of the sources: c2pa, exif, xmp, iptc, png-text. Never nil.
	Claims []Claim `json:"claims" doc:"What the file claims about itself; anyone can write or remove this"`
	// Truncated says that there was more than the limits allow to report.
	Truncated bool `json:"truncated" doc:"Whether the file holds more metadata than is read"`
	// Summary is one plain paragraph of what the above amounts to.
	Summary string `json:"summary" doc:"What the above amounts to, in plain words"`
}

// Claim is one thing that the file says about itself. Unless its source is c2pa
// nothing vouches for it: everyone can write it, and everyone can remove it.
type Claim struct {
	Source Source `json:"source" enum:"c2pa,exif,xmp,iptc,png-text" doc:"Where in the file it stands"`
	// Name is the field's name in its standard ("Make", "digitalSourceType"), or
	// that of the program whose form it is ("Stable Diffusion parameters").
	Name string `json:"name" doc:"The field, or the program whose form it has"`
	// Value has at most MaxValue bytes, is valid UTF-8 and free of control
	// characters. The place of a GPS position is never in it.
	Value string `json:"value" doc:"What the field holds, cut at 300 bytes, without control characters"`
	Says  Says   `json:"says" enum:"camera,generator,edited,none" doc:"What follows if the claim is true"`
	// Text is one sentence for people.
	Text string `json:"text" doc:"One sentence for people"`
}

// Source names the part of a file that a claim was read from.
type Source string

// The sources of claims.
const (
	SourceC2PA    Source = "c2pa"     // a manifest whose signature and hashes hold
	SourceEXIF    Source = "exif"     // EXIF (CIPA DC-008), in any container
	SourceXMP     Source = "xmp"      // XMP (ISO 16684-1), in any container
	SourceIPTC    Source = "iptc"     // IPTC-IIM in a Photoshop resource block
	SourcePNGText Source = "png-text" // a tEXt, zTXt or iTXt chunk of a PNG
)

// Says is what a claim, if it is true, says about the picture's origin.
type Says string

// The values of Says.
const (
	SaysCamera    Says = "camera"    // taken by a camera or scanner
	SaysGenerator Says = "generator" // made, wholly or in part, by a generative model
	SaysEdited    Says = "edited"    // changed by a program or a person, or drawn
	SaysNone      Says = "none"      // nothing about its origin
)

// C2PA is what the picture's C2PA manifests (Content Credentials) say and whether
// they hold.
type C2PA struct {
	Status Status `json:"status" enum:"absent,not_checked,valid,invalid" doc:"absent: no manifest; not_checked: there is one, see note; valid: signature and hashes hold; invalid: they don't, see errors"`
	// Present says whether the picture holds a manifest, checked or not.
	Present bool `json:"present" doc:"Whether the picture holds a manifest"`
	// Checker names the checking library and its version, or is NotInstalled.
	Checker string `json:"checker" doc:"Name and version of the library that checks, or 'not installed'"`
	// Trusted says whether the signer is on the trust list. It is empty unless the
	// manifest was checked.
	Trusted Trust `json:"trusted,omitempty" enum:"yes,no,unknown" doc:"Whether the signer is on the trust list; unknown: there is no list. Absent where nothing was checked"`
	// Signer is the organisation that the signing certificate names, or else its
	// common name, and Issuer the authority that issued the certificate. Both are
	// only as true as Trusted says.
	Signer string `json:"signer,omitempty" doc:"Whom the signing certificate names"`
	Issuer string `json:"issuer,omitempty" doc:"Who issued the signing certificate"`
	// SignedAt is the time of the signature, RFC 3339.
	SignedAt string `json:"signed_at,omitempty" doc:"When it was signed, RFC 3339"`
	// Generator is the program that made the claim ("Adobe Firefly").
	Generator string `json:"generator,omitempty" doc:"The program that wrote the manifest"`
	Title     string `json:"title,omitempty" doc:"The picture's title in the manifest"`
	// DigitalSourceType is the last part of the IPTC term, trainedAlgorithmicMedia
	// for instance, of the action that made this picture.
	DigitalSourceType string `json:"digital_source_type,omitempty" doc:"How the picture came to be, as an IPTC term such as trainedAlgorithmicMedia"`
	// Actions lists what was done to the picture, first to last, MaxActions at most.
	Actions []Action `json:"actions,omitempty" doc:"What was done to the picture, first to last"`
	// Chain lists the picture and what it was made from, the picture first, each
	// thing before its own ingredients, MaxChain at most.
	Chain []Link `json:"chain,omitempty" doc:"The picture and what it was made from, the picture first"`
	// Errors lists the codes of the C2PA specification for what does not hold
	// ("assertion.dataHash.mismatch").
	Errors []string `json:"errors,omitempty" doc:"Codes of the C2PA specification for what does not hold"`
	// Note says in plain words what the status means here.
	Note string `json:"note" doc:"What the status means here, in plain words"`
}

// Status says how far a manifest was checked.
type Status string

// The values of Status.
const (
	StatusAbsent     Status = "absent"      // no manifest in the picture
	StatusNotChecked Status = "not_checked" // there is one; C2PA.Note says why it was not checked
	StatusValid      Status = "valid"       // its signature and hashes hold
	StatusInvalid    Status = "invalid"     // they don't; C2PA.Errors says why
)

// NotInstalled is C2PA.Checker where the program has no library to check with.
const NotInstalled = "not installed"

// Trust says whether a signer is on the trust list.
type Trust string

// The values of Trust.
const (
	TrustYes     Trust = "yes"
	TrustNo      Trust = "no"
	TrustUnknown Trust = "unknown" // no trust list was given
)

// Action is one step that a manifest tells.
type Action struct {
	// Action is the specification's name: c2pa.created, c2pa.edited, …
	Action string `json:"action" doc:"Name of the step in the C2PA specification, c2pa.created for instance"`
	// SourceType is the last part of the step's IPTC digital source type.
	SourceType string `json:"source_type,omitempty" doc:"How its result came to be, as an IPTC term"`
	Software   string `json:"software,omitempty" doc:"The program that did it"`
	When       string `json:"when,omitempty" doc:"When, RFC 3339"`
}

// Link is the picture or one of the things that it was made from.
type Link struct {
	// Depth is 0 for the picture, 1 for what it was made from, and so on.
	Depth int    `json:"depth" doc:"0 for the picture, 1 for what it was made from, and so on"`
	Title string `json:"title,omitempty"`
	// Relation is how the thing was used: parentOf, componentOf or inputTo.
	Relation   string `json:"relation,omitempty" doc:"parentOf: the picture before editing; componentOf: placed in it; inputTo: given to a generator"`
	Generator  string `json:"generator,omitempty" doc:"The program that wrote its manifest"`
	Signer     string `json:"signer,omitempty" doc:"Whom its signing certificate names"`
	SourceType string `json:"source_type,omitempty" doc:"How it came to be, as an IPTC term"`
	// When it was signed or, without a time stamp, says that it was made; RFC 3339.
	When string `json:"when,omitempty" doc:"When it was signed or, without a time stamp, says that it was made, RFC 3339"`
	// Errors lists the codes for what does not hold of this ingredient.
	Errors []string `json:"errors,omitempty"`
}

// What a report holds at most.
const (
	MaxClaims  = 100 // claims
	MaxValue   = 300 // bytes of a text value
	MaxActions = 50  // actions of a manifest
	MaxChain   = 50  // links of the chain
	MaxErrors  = 50  // error codes
)
