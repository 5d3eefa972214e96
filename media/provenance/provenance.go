package provenance

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Options say how Read works. The zero value reads claims and checks nothing.
type Options struct {
	// Checker checks a C2PA manifest; nil where none is installed.
	Checker Checker
}

// Checker checks the C2PA manifest of a picture.
type Checker interface {
	// Name is the checking library's name and version.
	Name() string
	// Check returns what the manifest of data, a picture of the media type, says
	// and whether it holds: Status valid or invalid, and everything but Present,
	// Checker and Note, which Read sets. An error says that it could not be
	// checked, which is no judgement on the manifest.
	Check(ctx context.Context, data []byte, mediaType string) (C2PA, error)
}

// Read reports what the file of a picture says about its origin. It never fails:
// what is damaged or of an unknown format is a file that says nothing. Beside
// data it uses at most a few megabytes, and time in proportion to len(data); a
// Checker has its own limits. ctx ends the check, and only that.
func Read(ctx context.Context, data []byte, opts Options) Report {
	found := scan(data)
	report := Report{
		C2PA:   checkManifest(ctx, data, found, opts.Checker),
		Claims: []Claim{},
	}
	list := &claims{}
	list.addManifest(report.C2PA)
	found.addClaims(list)
	report.Claims = append(report.Claims, list.all...)
	report.Truncated = list.full || found.truncated
	report.Summary = summary(report)
	return report
}

// checkManifest has the manifest checked, where there is one, and says in words
// what came of it.
func checkManifest(ctx context.Context, data []byte, found findings, checker Checker) C2PA {
	name := NotInstalled
	if checker != nil {
		name = checker.Name()
	}
	if !found.manifest {
		return C2PA{Status: StatusAbsent, Checker: name, Note: "The file holds no signed history (C2PA Content Credentials)."}
	}
	if checker == nil {
		return C2PA{
			Status: StatusNotChecked, Present: true, Checker: name,
			Note: "The file holds a signed history (C2PA Content Credentials), which was not checked: the library that checks it is not installed.",
		}
	}
	c, err := checker.Check(ctx, data, found.mediaType)
	if err != nil {
		return C2PA{
			Status: StatusNotChecked, Present: true, Checker: name,
			Note: fmt.Sprintf("The file holds a signed history (C2PA Content Credentials), which could not be checked: %s.", clean(err.Error())),
		}
	}
	c.bound()
	c.Present, c.Checker = true, name
	c.Note = c.note()
	return c
}

// note puts the outcome of a check in words.
func (c *C2PA) note() string {
	if c.Status != StatusValid {
		if c.Signer == "" {
			return "The signed history (C2PA Content Credentials) is damaged: nothing in it can be believed."
		}
		return fmt.Sprintf("The signed history (C2PA Content Credentials) in the name of %s does not hold: %s.", c.Signer, c.fault())
	}
	signer := c.Signer
	if signer == "" {
		signer = "someone unnamed"
	}
	note := fmt.Sprintf("The picture and its history are as %s signed them.", signer)
	switch c.Trusted {
	case TrustYes:
		return note + " The signer is on the trust list."
	case TrustNo:
		return note + " The signer is not on the trust list, so the name may be anyone's."
	default:
		return note + " There is no trust list to look the signer up in, so the name may be anyone's."
	}
}

// fault says in words what the codes of a manifest that does not hold amount to
// (C2PA specification, "Validation", failure codes).
func (c *C2PA) fault() string {
	has := func(part string) bool {
		return slices.ContainsFunc(c.Errors, func(code string) bool { return strings.Contains(code, part) })
	}
	switch {
	case has("Hash.mismatch"): // assertion.dataHash, bmffHash, boxesHash, …
		return "the picture was changed after it was signed"
	case has("mismatch"), has("assertion.missing"): // hashedURI, the claim's signature, …
		return "it was changed after it was signed"
	case has("revoked"):
		return "the signer's certificate was revoked"
	case has("expired"), has("outsideValidity"):
		return "the signer's certificate was not valid when it was signed"
	default:
		return "it was not made as the C2PA specification demands"
	}
}

// bound brings what a checker returned into the limits of a report.
func (c *C2PA) bound() {
	for _, s := range []*string{&c.Signer, &c.Issuer, &c.SignedAt, &c.Generator, &c.Title, &c.DigitalSourceType} {
		*s = clean(*s)
	}
	c.Actions = c.Actions[:min(len(c.Actions), MaxActions)]
	for i := range c.Actions {
		a := &c.Actions[i]
		for _, s := range []*string{&a.Action, &a.SourceType, &a.Software, &a.When} {
			*s = clean(*s)
		}
	}
	c.Chain = c.Chain[:min(len(c.Chain), MaxChain)]
	for i := range c.Chain {
		l := &c.Chain[i]
		for _, s := range []*string{&l.Title, &l.Relation, &l.Generator, &l.Signer, &l.SourceType, &l.When} {
			*s = clean(*s)
		}
		l.Errors = cleanAll(l.Errors)
	}
	c.Errors = cleanAll(c.Errors)
}

// cleanAll cleans error codes, MaxErrors of them at most.
func cleanAll(list []string) []string {
	list = list[:min(len(list), MaxErrors)]
	for i := range list {
		list[i] = clean(list[i])
	}
	return list
}
