// Package schema holds the public shapes of API v1: what a question looks like,
// what an answer says, and how an error is told. The server, the Go client, the
// page and the MCP server share them, and the OpenAPI document is made from them.
//
// All times are RFC 3339 in UTC, all durations milliseconds, all scores in [0,1].
package schema

import (
	"time"

	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

// Verdicts of a picture.
const (
	VerdictAI     = "ai"
	VerdictReal   = "real"
	VerdictUnsure = "unsure"
)

// States of a detection.
const (
	StatusQueued = "queued"
	StatusDone   = "done"
	StatusFailed = "failed"
)

// Options are the choices of a question. In JSON they stand beside url or image;
// with raw bytes they are query parameters of the same names, with a form fields.
type Options struct {
	ExternalID string   `json:"external_id,omitempty" maxLength:"200" pattern:"^[^\\x00]*$" patternDescription:"text without the character U+0000" doc:"your own name for the picture; comes back in the answer and can be listed by"`
	Models     []string `json:"models,omitempty" maxItems:"8" doc:"names of detectors to ask, the first one decides; default: the server's default"`
	Heatmap    bool     `json:"heatmap,omitempty" doc:"also say where in the picture: takes longer"`
	// Robustness and Provenance are on where nothing is said.
	Robustness *bool    `json:"robustness,omitempty" doc:"also score a half-size and a JPEG-60 copy (default true; false is faster)"`
	Provenance *bool    `json:"provenance,omitempty" doc:"also read what the file says of its origin (default true)"`
	Threshold  *float64 `json:"threshold,omitempty" minimum:"0" maximum:"1" doc:"one limit in place of the detector's two: ai above it, else real"`
	Async      bool     `json:"async,omitempty" doc:"answer 202 at once; ask GET /v1/detections/{id} for the result"`
	WebhookURL string   `json:"webhook_url,omitempty" format:"uri" maxLength:"2000" doc:"answer 202 at once and post the result there, signed"`
	Retain     bool     `json:"retain,omitempty" doc:"keep the picture and the whole answer; default false: only its hash and verdict are kept"`
}

// Question is the JSON form of a question: one of URL and Image.
type Question struct {
	URL   string `json:"url,omitempty" format:"uri" maxLength:"4000" doc:"http or https address of the picture"`
	Image string `json:"image,omitempty" doc:"the picture in base64, or a data: URL"`
	Options
}

// Detection is the answer to one picture.
type Detection struct {
	ID         string    `json:"id"`
	Status     string    `json:"status" enum:"queued,done,failed"`
	CreatedAt  time.Time `json:"created_at"`
	ExternalID string    `json:"external_id,omitempty"`
	// Model is the detector that decided.
	Model *Model `json:"model,omitempty"`
	Media *Media `json:"media,omitempty"`
	// Score is calibrated: of many pictures with the score s, about the share s is
	// AI-generated where half of all are. Nil until the status is done.
	Score   *float64 `json:"score,omitempty" minimum:"0" maximum:"1" doc:"calibrated; 0 is real, 1 is AI-generated"`
	Verdict string   `json:"verdict,omitempty" enum:"ai,real,unsure"`
	Bands   *Bands   `json:"bands,omitempty" doc:"the limits that the verdict was made with"`
	// Confidence says in words how sure the verdict is.
	Confidence  string             `json:"confidence,omitempty"`
	Explanation string             `json:"explanation,omitempty" doc:"the verdict in a plain sentence or two"`
	Models      []ModelScore       `json:"models,omitempty" doc:"every detector asked, the deciding one first"`
	Robustness  *Robustness        `json:"robustness,omitempty"`
	Heatmap     *Heatmap           `json:"heatmap,omitempty"`
	Provenance  *provenance.Report `json:"provenance,omitempty"`
	Warnings    []Warning          `json:"warnings,omitempty" doc:"reasons to trust the score less"`
	Network     *Network           `json:"network,omitempty"`
	Timing      *Timing            `json:"timing,omitempty"`
	Retained    bool               `json:"retained"`
	Feedback    string             `json:"feedback,omitempty" doc:"what you said of it"`
	Error       *Problem           `json:"error,omitempty" doc:"why it failed"`
}

// Model names a detector.
type Model struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty" doc:"of its graph"`
}

// ModelScore is what one detector says.
type ModelScore struct {
	Name    string  `json:"name"`
	Version string  `json:"version,omitempty"`
	Score   float64 `json:"score"`
	Verdict string  `json:"verdict" enum:"ai,real,unsure"`
	MS      float64 `json:"ms" doc:"time this detector took, waiting included"`
}

// Media describes the picture that was judged.
type Media struct {
	SHA256 string `json:"sha256" doc:"of the bytes as sent"`
	Width  int    `json:"width,omitempty" doc:"pixels, upright"`
	Height int    `json:"height,omitempty" doc:"pixels, upright"`
	Format string `json:"format,omitempty" doc:"jpeg, png, webp, gif, heic, avif, tiff, bmp or mpo"`
	Bytes  int64  `json:"bytes,omitempty"`
	Kind   string `json:"kind,omitempty" doc:"what the picture seems to be: photograph, art (drawing, painting, rendering, graphic) or screenshot_or_document"`
}

// Bands are the limits of the three verdicts.
type Bands struct {
	RealBelow float64 `json:"real_below"`
	AIAbove   float64 `json:"ai_above"`
}

// Robustness says whether the verdict survives what the web does to pictures.
type Robustness struct {
	HalfSize float64 `json:"half_size" doc:"score of a copy at half the width and height"`
	JPEG60   float64 `json:"jpeg60" doc:"score of a copy compressed as a JPEG of quality 60"`
	Holds    bool    `json:"holds" doc:"whether all three verdicts are the same"`
}

// Heatmap says where in the picture. Its addresses answer for some minutes, and as
// long as the detection is retained.
type Heatmap struct {
	URL     string `json:"url" doc:"PNG of the picture's size or smaller: red raises the score, blue lowers it, transparent where neither"`
	Model   string `json:"model"`
	Mask    *RLE   `json:"mask,omitempty" doc:"the parts that look AI-generated"`
	Summary string `json:"summary,omitempty" doc:"where, in words"`
}

// RLE is a mask as run lengths, column by column from the top left: how many
// pixels are outside, then inside, then outside … (the COCO data set's form).
type RLE struct {
	Width  int   `json:"width"`
	Height int   `json:"height"`
	Counts []int `json:"counts"`
}

// Warning is a reason to trust the score less.
type Warning struct {
	Code string `json:"code" doc:"stable, such as too_small, recompressed, screenshot_like, drawing_or_painting, truncated, animated, reduced"`
	Text string `json:"text"`
}

// Network says what the subnet's miners answered.
type Network struct {
	Asked     int      `json:"asked"`
	Answered  int      `json:"answered"`
	Agreement float64  `json:"agreement" doc:"share of the answers on the verdict's side of one half"`
	UIDs      []uint16 `json:"uids" doc:"miners that answered"`
	// Predictions are theirs, in the order of UIDs.
	Predictions []float64 `json:"predictions,omitempty" doc:"what each of uids said"`
}

// Timing is where the time went.
type Timing struct {
	FetchMS      float64 `json:"fetch_ms,omitempty"`
	QueueMS      float64 `json:"queue_ms"`
	DecodeMS     float64 `json:"decode_ms"`
	DetectMS     float64 `json:"detect_ms"`
	RobustnessMS float64 `json:"robustness_ms,omitempty"`
	HeatmapMS    float64 `json:"heatmap_ms,omitempty"`
	ProvenanceMS float64 `json:"provenance_ms,omitempty"`
	TotalMS      float64 `json:"total_ms"`
}

// MaxBatchItems is the most pictures of a batch.
const MaxBatchItems = 100

// Batch asks about several pictures at once.
type Batch struct {
	Items []Question `json:"items" minItems:"1" maxItems:"100"`
}

// BatchAnswer holds an answer for each picture of a batch, in its order.
type BatchAnswer struct {
	Items []BatchItem `json:"items"`
}

// BatchItem is the answer to one picture of a batch: a detection or an error.
type BatchItem struct {
	Index     int        `json:"index"`
	Status    int        `json:"status" doc:"the HTTP status that the picture alone would have got"`
	Detection *Detection `json:"detection,omitempty"`
	Error     *Problem   `json:"error,omitempty"`
}

// Detections is a page of the list, newest first.
type Detections struct {
	Items      []Detection `json:"items"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"pass as cursor for the next page; absent on the last"`
}

// Kinds of feedback.
const (
	FeedbackFalsePositive = "false_positive"
	FeedbackFalseNegative = "false_negative"
	FeedbackRight         = "right"
)

// Feedback says whether a verdict was right.
type Feedback struct {
	Kind    string `json:"kind" enum:"false_positive,false_negative,right" doc:"false_positive: a real picture was called AI-generated; false_negative: the reverse"`
	Comment string `json:"comment,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without the character U+0000"`
}

// Share is a public link to one answer.
type Share struct {
	URL string `json:"url" doc:"path of the page that shows the answer"`
}

// ModelInfo describes a detector that this server can be asked for.
type ModelInfo struct {
	Model
	Default      bool       `json:"default"`
	Architecture string     `json:"architecture"`
	Licence      string     `json:"licence,omitempty"`
	TrainingData string     `json:"training_data,omitempty"`
	Bands        Bands      `json:"bands"`
	Heatmap      bool       `json:"heatmap" doc:"whether it can say where"`
	CardURL      string     `json:"card_url,omitempty" doc:"its model card, as plain text"`
	Reference    *Reference `json:"reference,omitempty"`
}

// Reference says how pictures of a known kind score, as measured on sources that
// the detector was not trained on. Each list holds the share of pictures with a
// score of at least i/100, for i from 0 to 100.
type Reference struct {
	Photographs []float64 `json:"photographs,omitempty"`
	HumanArt    []float64 `json:"human_art,omitempty"`
	AI          []float64 `json:"ai,omitempty"`
	Data        string    `json:"data,omitempty" doc:"what was measured on, in a sentence"`
}

// Models lists the detectors.
type Models struct {
	Items []ModelInfo `json:"items"`
}

// Sample is a picture to try.
type Sample struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Label   string `json:"label" enum:"real,ai"`
	Source  string `json:"source" doc:"who made it"`
	Licence string `json:"licence"`
}

// Samples lists them.
type Samples struct {
	Items []Sample `json:"items"`
}
