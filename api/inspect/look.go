package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

// look asks the detector about the pictures of a batch: what kind each is too, where
// it can tell.
func (m *served) look(ctx context.Context, images []image.Image) ([]detector.Sight, error) {
	if m.slow.Load() {
		m.turn.Lock()
		defer m.turn.Unlock()
	}
	if l, ok := m.Detector.(detector.Looker); ok && m.info.Kinds {
		return l.Look(ctx, images)
	}
	scores, err := m.Detector.DetectBatch(ctx, images)
	if err != nil {
		return nil, err
	}
	sights := make([]detector.Sight, len(scores))
	for i, s := range scores {
		sights[i].Score = s
	}
	return sights, nil
}

// look is one question under way.
type look struct {
	in     *Inspector
	opts   schema.Options
	panel  panel
	data   []byte
	img    *image.RGBA
	info   decode.Info
	timing schema.Timing
}

// said is what one detector says of a picture.
type said struct {
	detector.Sight
	took time.Duration
}

func (l *look) run(ctx context.Context) (Result, error) {
	begin := time.Now()
	limits := l.in.cfg.Limits
	cost, err := decode.Cost(l.data, limits)
	if err != nil {
		return Result{}, err
	}
	if limits.Room, err = l.in.memory.Reserve(ctx, cost); err != nil {
		return Result{}, err
	}
	defer limits.Room.Release()
	l.timing.QueueMS += ms(time.Since(begin))
	begin = time.Now()
	if l.img, l.info, err = decode.Decode(l.data, limits); err != nil {
		return Result{}, err
	}
	l.timing.DecodeMS = ms(time.Since(begin))

	d := schema.Detection{Status: schema.StatusDone, Media: l.media()}
	var network proxy.Answer
	answers := make([]said, len(l.panel.models))
	var copies [2]float64
	begin = time.Now()
	// What does not depend on each other goes side by side.
	g, together := errgroup.WithContext(ctx)
	if l.panel.network {
		g.Go(func() (err error) {
			network, err = l.in.cfg.Network.Ask(together, proxy.Picture{Data: l.data, Image: l.img})
			return err
		})
	}
	for i, m := range l.panel.models {
		g.Go(func() error {
			begin := time.Now()
			sights, err := m.batch.Look(together, l.img)
			if err == nil {
				answers[i] = said{sights[0], time.Since(begin)}
			}
			return err
		})
	}
	robust := orTrue(l.opts.Robustness) && len(l.panel.models) > 0
	if robust {
		g.Go(func() (err error) {
			begin := time.Now()
			copies, err = l.copies(together)
			l.timing.RobustnessMS = ms(time.Since(begin))
			return err
		})
	}
	if l.in.cfg.Provenance != nil && orTrue(l.opts.Provenance) {
		g.Go(func() error {
			begin := time.Now()
			report := l.in.cfg.Provenance(together, l.data)
			d.Provenance = &report
			l.timing.ProvenanceMS = ms(time.Since(begin))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	l.timing.DetectMS = ms(time.Since(begin))

	l.decide(&d, network, answers)
	if robust {
		d.Robustness = l.robustness(answers[0].Score, copies)
	}
	for _, a := range answers {
		if d.Media.Kind == "" {
			d.Media.Kind = kindOf(a.Kind)
		}
	}
	d.Warnings = append(l.warnings(), outside(d.Media.Kind)...)
	result := Result{}
	if l.opts.Heatmap {
		begin = time.Now()
		if d.Heatmap, result.HeatmapPNG, err = l.heatmap(ctx); err != nil {
			return Result{}, err
		}
		if d.Heatmap == nil {
			d.Warnings = append(d.Warnings, schema.Warning{Code: WarnNoHeatmap, Text: "No detector asked can say where in a picture it sees what it says."})
		}
		l.timing.HeatmapMS = ms(time.Since(begin))
	}
	d.Confidence, d.Explanation = words(&d, l.reference())
	timing := l.timing // a pointer into l would keep the picture in memory as long as the answer
	d.Timing = &timing
	result.Detection = d
	return result, nil
}

func orTrue(option *bool) bool { return option == nil || *option }

func (l *look) media() *schema.Media {
	sum := sha256.Sum256(l.data)
	return &schema.Media{
		SHA256: hex.EncodeToString(sum[:]), Width: l.info.Width, Height: l.info.Height,
		Format: l.info.Format, Bytes: int64(len(l.data)),
	}
}

// band gives the limits of a verdict: the caller's, or the detector's own.
func (l *look) band(own detector.Band) schema.Bands {
	if t := l.opts.Threshold; t != nil {
		return schema.Bands{RealBelow: *t, AIAbove: *t}
	}
	return bandsOf(own)
}

// verdict names the verdict of a score. With one limit for both there is no
// doubt: what does not lie above it is real.
func verdict(b schema.Bands, score float64) string {
	switch {
	case score > b.AIAbove:
		return schema.VerdictAI
	case score < b.RealBelow || b.RealBelow == b.AIAbove:
		return schema.VerdictReal
	default:
		return schema.VerdictUnsure
	}
}

// decide fills in who said what, and the verdict of who decides.
func (l *look) decide(d *schema.Detection, network proxy.Answer, answers []said) {
	if l.panel.network {
		bands := l.band(detector.DefaultBand)
		d.Models = append(d.Models, schema.ModelScore{
			Name: NetworkName, Score: network.Prediction, Verdict: verdict(bands, network.Prediction), MS: ms(network.Elapsed),
		})
		d.Model, d.Bands = &schema.Model{Name: NetworkName}, &bands
		d.Network = &schema.Network{
			Asked: network.Asked, Answered: network.Answered, Agreement: network.Agreement, UIDs: network.UIDs(),
			Predictions: network.Predictions(),
		}
	}
	for i, m := range l.panel.models {
		bands := l.band(m.info.Verdict)
		d.Models = append(d.Models, schema.ModelScore{
			Name: m.Name, Version: m.info.Version, Score: answers[i].Score,
			Verdict: verdict(bands, answers[i].Score), MS: ms(answers[i].took),
		})
		if d.Model == nil {
			model := m.public()
			d.Model, d.Bands = &model, &bands
		}
	}
	first := d.Models[0]
	d.Score, d.Verdict = &first.Score, first.Verdict
}

// reference is that of the detector that decides.
func (l *look) reference() *schema.Reference {
	if l.panel.network {
		return nil
	}
	return l.panel.models[0].Reference
}
