package c2pa

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

// A manifest can name itself as its own ingredient, and others many times over.
func TestChainsEnd(t *testing.T) {
	var ingredients []string
	for range 1000 {
		ingredients = append(ingredients, `{"title": "again", "active_manifest": "b"}`, `{"active_manifest": "a"}`)
	}
	list := strings.Join(ingredients, ",")
	report := fmt.Sprintf(`{"active_manifest": "a", "validation_state": "Valid", "manifests": {
		"a": {"title": "a", "ingredients": [%s]}, "b": {"title": "b", "ingredients": [%s]}}}`, list, list)
	c, err := convert([]byte(report), nil, false)
	if err != nil || len(c.Chain) != provenance.MaxChain {
		t.Fatalf("%v, %d links", err, len(c.Chain))
	}
}

func TestOlderFormsAreRead(t *testing.T) {
	c, err := convert([]byte(`{"active_manifest": "a", "validation_state": "Trusted", "manifests": {"a": {
		"claim_generator": "Adobe_Photoshop/25.0", "signature_info": {"common_name": "cai-prod", "time": "2026-03-01T10:00:00+00:00"},
		"assertions": [
			{"label": "c2pa.actions", "data": {"actions": [
				{"action": "c2pa.opened", "softwareAgent": "Adobe Firefly", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"},
				{"action": "c2pa.edited", "softwareAgent": ["?"], "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"}]}},
			{"label": "c2pa.actions.v2__1", "data": "damaged"},
			{"label": "c2pa.metadata", "data": {"actions": [{"action": "not one"}]}}]}},
		"validation_results": {"activeManifest": {"success": [{"code": "signingCredential.trusted"}]}}}`), []byte("{}"), true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Generator != "Adobe_Photoshop/25.0" || c.Signer != "cai-prod" || c.SignedAt == "" || c.Trusted != provenance.TrustYes || c.Status != provenance.StatusValid {
		t.Errorf("%+v", c)
	}
	if len(c.Actions) != 2 || c.Actions[0].Software != "Adobe Firefly" || c.DigitalSourceType != "compositeWithTrainedAlgorithmicMedia" {
		t.Errorf("actions %+v, %s", c.Actions, c.DigitalSourceType)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(`{"active_manifest": "a", "validation_state": "Valid", "manifests": {"a": {"title": "x", "ingredients": [{"active_manifest": "a"}]}}}`), []byte(`{"manifests": [{"label": "a"}]}`))
	f.Add([]byte(`{"validation_state": "Invalid", "validation_status": [{"code": "x"}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, report, certificates []byte) {
		c, err := convert(report, certificates, true)
		if err != nil {
			return
		}
		if len(c.Chain) > provenance.MaxChain || len(c.Actions) > provenance.MaxActions || len(c.Errors) > provenance.MaxErrors {
			t.Fatalf("%d links, %d actions, %d errors", len(c.Chain), len(c.Actions), len(c.Errors))
		}
		if c.Status == provenance.StatusInvalid && len(c.Errors) == 0 {
			t.Fatalf("invalid without a reason: %+v", c)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}
