package c2pa

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

// Codes of the C2PA specification, section "Validation".
const (
	codeGeneral   = "general.error"
	codeTrusted   = "signingCredential.trusted"
	codeUntrusted = "signingCredential.untrusted"
)

// store is the library's report: a manifest store.
type store struct {
	Active    string              `json:"active_manifest"`
	Manifests map[string]manifest `json:"manifests"`
	State     string              `json:"validation_state"` // Invalid, Valid or Trusted
	Status    []status            `json:"validation_status"`
	Results   results             `json:"validation_results"`
}

type manifest struct {
	Title         string       `json:"title"`
	Generator     string       `json:"claim_generator"` // of version 1
	GeneratorInfo []agent      `json:"claim_generator_info"`
	Assertions    []assertion  `json:"assertions"`
	Ingredients   []ingredient `json:"ingredients"`
	Signature     struct {
		Organisation string `json:"issuer"` // of the signer, whatever its name
		CommonName   string `json:"common_name"`
		Time         string `json:"time"`
	} `json:"signature_info"`
}

type assertion struct {
	Label string          `json:"label"`
	Data  json.RawMessage `json:"data"`
}

type ingredient struct {
	Title        string   `json:"title"`
	Relationship string   `json:"relationship"`
	Active       string   `json:"active_manifest"`
	Status       []status `json:"validation_status"`
	Results      results  `json:"validation_results"`
}

type status struct {
	Code string `json:"code"`
}

type results struct {
	Active struct {
		Success []status `json:"success"`
		Failure []status `json:"failure"`
	} `json:"activeManifest"`
}

// agent is the name of a program: a text in version 1, an object after it.
type agent struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// UnmarshalJSON reads either form, and anything else as no name.
func (a *agent) UnmarshalJSON(data []byte) error {
	type object agent
	if json.Unmarshal(data, (*object)(a)) != nil {
		*a = agent{}
		_ = json.Unmarshal(data, &a.Name)
	}
	return nil
}

func (a agent) String() string { return strings.TrimSpace(a.Name + " " + a.Version) }

// actions is the data of the assertions c2pa.actions and c2pa.actions.v2.
type actions struct {
	Actions []struct {
		Action     string `json:"action"`
		SourceType string `json:"digitalSourceType"`
		Software   agent  `json:"softwareAgent"`
		When       string `json:"when"`
	} `json:"actions"`
}

// certificates is the part that is read of the library's other report, crJSON.
type certificates struct {
	Manifests []struct {
		Label     string `json:"label"`
		Signature struct {
			Info struct {
				Issuer map[string]any `json:"issuer"`
			} `json:"certificateInfo"`
		} `json:"signature"`
	} `json:"manifests"`
}

// convert puts the library's reports into ours. The second one may be empty.
func convert(report, crJSON []byte, hasTrustList bool) (provenance.C2PA, error) {
	var s store
	if err := json.Unmarshal(report, &s); err != nil {
		return provenance.C2PA{}, fmt.Errorf("the library's report: %w", err)
	}
	c := provenance.C2PA{Trusted: trust(s, hasTrustList), Errors: failures(s.Status)}
	switch s.State {
	case "Valid", "Trusted":
		c.Status = provenance.StatusValid
	case "Invalid":
		c.Status = provenance.StatusInvalid
	default:
		return provenance.C2PA{}, fmt.Errorf("the library's report has the unknown state %q", s.State)
	}
	m, ok := s.Manifests[s.Active]
	if !ok {
		c.Status = provenance.StatusInvalid
	}
	if c.Status == provenance.StatusInvalid && len(c.Errors) == 0 {
		c.Errors = []string{codeGeneral}
	}
	c.Title = m.Title
	c.Signer, c.SignedAt = m.signer(), m.Signature.Time
	c.Issuer = issuer(crJSON, s.Active)
	c.Generator = m.generator()
	c.Actions = m.actions()
	c.DigitalSourceType = sourceType(c.Actions)
	c.Chain = s.chain(m)
	return c, nil
}

// trust says whether the signer is on the trust list. The library calls every
// signer untrusted when it has no list.
func trust(s store, hasTrustList bool) provenance.Trust {
	has := func(list []status, code string) bool {
		return slices.Contains(list, status{code})
	}
	switch {
	case !hasTrustList:
		return provenance.TrustUnknown
	case has(s.Results.Active.Success, codeTrusted):
		return provenance.TrustYes
	case has(s.Results.Active.Failure, codeUntrusted):
		return provenance.TrustNo
	}
	return provenance.TrustUnknown
}

// failures lists codes once each, without the one that Trusted tells.
func failures(list []status) []string {
	var codes []string
	for _, s := range list {
		if s.Code != codeUntrusted && !slices.Contains(codes, s.Code) && len(codes) < provenance.MaxErrors {
			codes = append(codes, s.Code)
		}
	}
	return codes
}

func (m manifest) signer() string {
	if m.Signature.Organisation != "" {
		return m.Signature.Organisation
	}
	return m.Signature.CommonName
}

func (m manifest) generator() string {
	var names []string
	for _, info := range m.GeneratorInfo {
		if name := info.String(); name != "" && len(names) < 4 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return m.Generator
	}
	return strings.Join(names, ", ")
}

func (m manifest) actions() []provenance.Action {
	var list []provenance.Action
	for _, a := range m.Assertions {
		if a.Label != "c2pa.actions" && !strings.HasPrefix(a.Label, "c2pa.actions.") && !strings.HasPrefix(a.Label, "c2pa.actions__") {
			continue
		}
		var data actions
		if json.Unmarshal(a.Data, &data) != nil {
			continue // of a form that no version has; the other assertions may do
		}
		for _, step := range data.Actions {
			if len(list) == provenance.MaxActions {
				return list
			}
			list = append(list, provenance.Action{
				Action:     step.Action,
				SourceType: provenance.SourceTypeTerm(step.SourceType),
				Software:   step.Software.String(),
				When:       step.When,
			})
		}
	}
	return list
}

// sourceType is how a picture came to be, by what was done to it: that a
// generative model had part in it, else what the first action that tells says.
func sourceType(list []provenance.Action) string {
	first := ""
	for _, a := range list {
		if provenance.IsGenerated(a.SourceType) {
			return a.SourceType
		}
		if first == "" {
			first = a.SourceType
		}
	}
	return first
}

// issuer is the name of the authority that issued a manifest's certificate.
func issuer(crJSON []byte, label string) string {
	var c certificates
	if json.Unmarshal(crJSON, &c) != nil {
		return "" // an addition: the report stands without it
	}
	for _, m := range c.Manifests {
		if m.Label != label {
			continue
		}
		name, _ := m.Signature.Info.Issuer["CN"].(string)
		organisation, _ := m.Signature.Info.Issuer["O"].(string)
		if name == "" || organisation == "" || name == organisation {
			return name + organisation
		}
		return name + " (" + organisation + ")"
	}
	return ""
}

// maxDepth bounds how far the chain is followed.
const maxDepth = 16

// chain lists a manifest and its ingredients, each before its own.
func (s store) chain(m manifest) []provenance.Link {
	links := []provenance.Link{m.link()}
	known := map[string]provenance.Link{}
	var follow func(m manifest, open []string)
	follow = func(m manifest, open []string) {
		for _, i := range m.Ingredients {
			if len(links) >= provenance.MaxChain || len(open) > maxDepth {
				return
			}
			own, signed := s.Manifests[i.Active]
			link, ok := known[i.Active]
			if signed && !ok {
				link = own.link()
				known[i.Active] = link
			}
			link.Depth, link.Title, link.Relation = len(open), i.Title, i.Relationship
			link.Errors = failures(append(i.Results.Active.Failure, i.Status...))
			links = append(links, link)
			// A manifest that is an ingredient of itself is shown once more, not for ever.
			if signed && !slices.Contains(open, i.Active) {
				follow(own, append(slices.Clone(open), i.Active))
			}
		}
	}
	follow(m, []string{s.Active})
	return links
}

// link is what a manifest says of itself.
func (m manifest) link() provenance.Link {
	list := m.actions()
	l := provenance.Link{
		Title: m.Title, Generator: m.generator(), Signer: m.signer(),
		SourceType: sourceType(list), When: m.Signature.Time,
	}
	if l.When == "" && len(list) > 0 {
		l.When = list[0].When
	}
	return l
}
