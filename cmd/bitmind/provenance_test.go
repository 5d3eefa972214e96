package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
	"github.com/maxmos001/bitmind-subnet/media/provenance/c2pa"
)

const provenanceData = "../../media/provenance/testdata/"

func runProvenance(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(t.Context(), append([]string{"provenance"}, args...), strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func TestProvenance(t *testing.T) {
	if _, missing, err := new(provenanceFlags).options(t.Context()); err != nil || missing != nil {
		t.Skip(missing, err)
	}
	status, stdout, stderr := runProvenance(t, "--json", "--c2pa.trust_list", provenanceData+"root.pem", provenanceData+"edited.jpg", provenanceData+"metadata.jpg")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), stdout)
	}
	var edited, metadata provenanceLine
	if err := errors.Join(json.Unmarshal([]byte(lines[0]), &edited), json.Unmarshal([]byte(lines[1]), &metadata)); err != nil {
		t.Fatal(err)
	}
	if edited.C2PA.Status != provenance.StatusValid || edited.C2PA.Trusted != provenance.TrustYes || len(edited.C2PA.Chain) != 3 {
		t.Errorf("%s", lines[0])
	}
	if metadata.C2PA.Present || len(metadata.Claims) < 10 || filepath.Base(metadata.File) != "metadata.jpg" {
		t.Errorf("%s", lines[1])
	}

	status, stdout, _ = runProvenance(t, provenanceData+"edited.jpg")
	if status != 0 || !strings.Contains(stdout, "signer trusted: unknown") || !strings.Contains(stdout, "      - generated.jpg, parentOf, trainedAlgorithmicMedia") {
		t.Errorf("status %d: %s", status, stdout)
	}
}

func TestServiceTellsProvenance(t *testing.T) {
	if _, missing, err := new(provenanceFlags).options(t.Context()); err != nil || missing != nil {
		t.Skip(missing, err)
	}
	server, address := startService(t, testDetector(t), "--c2pa.trust_list", provenanceData+"root.pem")
	defer server.interrupt()
	stdout, _ := bitmindOK(t, "", "detect", "--server", address, "--json", provenanceData+"edited.jpg")
	var answer schema.Detection
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatal(err)
	}
	r := answer.Provenance
	if r == nil || r.C2PA.Status != provenance.StatusValid || r.C2PA.Trusted != provenance.TrustYes || len(r.C2PA.Chain) != 3 {
		t.Errorf("%s", stdout)
	}
}

// What a file claims never changes what is said of its picture.
func TestClaimsLeaveTheVerdictAlone(t *testing.T) {
	dir := t.TempDir()
	plain := picturesIn(t, dir, 1)[0]
	data, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	text := append([]byte("tEXt"), "Software\x00NovelAI"...)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(text)-4)), text...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(text))
	const signatureAndHeader = 8 + 25
	claiming := filepath.Join(dir, "claiming.png")
	if err := os.WriteFile(claiming, slices.Concat(data[:signatureAndHeader], chunk, data[signatureAndHeader:]), 0o600); err != nil {
		t.Fatal(err)
	}
	server, address := startService(t, testDetector(t))
	defer server.interrupt()
	var answers [2]schema.Detection
	for i, file := range []string{plain, claiming} {
		stdout, _ := bitmindOK(t, "", "detect", "--server", address, "--json", file)
		if err := json.Unmarshal([]byte(stdout), &answers[i]); err != nil {
			t.Fatal(err)
		}
	}
	a, b := answers[0], answers[1]
	if len(a.Provenance.Claims) != 0 || len(b.Provenance.Claims) != 1 || b.Provenance.Claims[0].Says != provenance.SaysGenerator {
		t.Fatalf("claims %v and %v", a.Provenance.Claims, b.Provenance.Claims)
	}
	if *a.Score != *b.Score || a.Verdict != b.Verdict || a.Confidence != b.Confidence {
		t.Errorf("%v %s %s; with the claim %v %s %s", *a.Score, a.Verdict, a.Confidence, *b.Score, b.Verdict, b.Confidence)
	}
}

func TestProvenanceWithoutTheLibrary(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(c2pa.LibraryEnv, "")
	status, stdout, stderr := runProvenance(t, provenanceData+"signed.png")
	if strings.Contains(stdout, "(c2pa ") {
		t.Skip("the library is in a system folder")
	}
	if status != 0 || !strings.Contains(stdout, "not checked (not installed)") || !strings.Contains(stderr, "; try: scripts/c2pa.sh") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
	if status, _, stderr := runProvenance(t, "--c2pa.library", "/nonexistent", provenanceData+"signed.png"); status != 1 || !strings.Contains(stderr, "is not a file; try:") {
		t.Errorf("a library that is not there: status %d: %s", status, stderr)
	}
}

func TestProvenanceOfWhatIsNoPicture(t *testing.T) {
	dir := t.TempDir()
	escape := filepath.Join(dir, "a\x1b[31mb.jpg")
	if err := os.WriteFile(escape, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := runProvenance(t, escape, filepath.Join(dir, "none"), provenanceData+"metadata.gif")
	if status != 1 || !strings.Contains(stdout, "Adobe Firefly") || strings.Count(stderr, "\n") != 3 || strings.Contains(stderr, "\x1b") {
		t.Errorf("status %d: %s%q", status, stdout, stderr)
	}
	if status, _, stderr := runProvenance(t); status != 2 || !strings.Contains(stderr, "try:") {
		t.Errorf("no file: status %d: %s", status, stderr)
	}
	status, stdout, _ = runProvenance(t, "--json", "-")
	if status != 1 || !strings.Contains(stdout, `"error":"not a JPEG`) {
		t.Errorf("empty standard input: status %d: %s", status, stdout)
	}
	if status, _, stderr := runProvenance(t, "--c2pa.trust_list", escape, provenanceData+"metadata.gif"); status != 1 || !strings.Contains(stderr, "trust list without a certificate") {
		t.Errorf("a trust list that is none: status %d: %s", status, stderr)
	}
}
