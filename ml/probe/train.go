package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// TrainOptions say how a head is trained.
type TrainOptions struct {
	// L2 lists the strengths of the regularisation among which the folds choose.
	// Default DefaultL2.
	L2 []float64
	// ArtShare is the part of the real class's weight that human art (sources named
	// art_*) has; 0 leaves it to its sources' sizes.
	ArtShare float64
	// Folds is how many times whole sources are held out; default 5.
	Folds int
	// Head is Logistic, the default, or MLP; Hidden is the width of its hidden layer
	// (default 32), Epochs its passes over the rows (default 12).
	Head           string
	Hidden, Epochs int
	Seed           uint64 // of the MLP
	// Select leaves features of whole layers out for as long as that helps on the
	// held-out sources.
	Select bool
	// Groups lists the features used, as encoder.Group.Name gives them, or as
	// "encoder", "encoder@tap", "/statistic"; empty: all.
	Groups []string
	// MaxFPR, where above 0, moves the operating point up until no more than this
	// part of the held-out photographs, and of the human art, scores above 0.5 in
	// any view that is judged. 0 leaves it where the calibration puts it.
	MaxFPR float64
	// Judge names the views on held-out sources that decide and calibrate; default
	// the first copies of "clean" and "challenge", where they are among the rows.
	Judge []string
	// Progress is told what is done.
	Progress func(stage string)
}

// DefaultL2 are the strengths of the regularisation that are tried, from the
// strongest: each fit starts where the one before ended.
var DefaultL2 = []float64{3, 1, 0.3, 0.1, 0.03}

// Trial is how one strength did on the held-out sources.
type Trial struct {
	L2 float64 `json:"l2"`
	// AUC is the mean over folds and judged views of the weighted area under the
	// ROC curve; PerView, of each view.
	AUC     float64            `json:"auc"`
	PerView map[string]float64 `json:"auc_per_view"`
	PerFold []float64          `json:"auc_per_fold"`
}

// Held is a picture's logit from the fold that held its source out.
type Held struct {
	Picture int     `json:"picture"`
	View    string  `json:"view"`
	Logit   float64 `json:"logit"` // before calibration
}

// Result is a trained head with what the folds say of it.
type Result struct {
	Groups      []encoder.Group // in the order of the weights
	Mean, Std   []float64       // of the features
	Kind        string          // Logistic or MLP
	L2          float64
	Trials      []Trial
	Fold        []int // by picture
	Held        []Held
	Calibration detector.Calibration
	// Tiers measures the held-out sources at the shipped operating point.
	Tiers map[string]Tier

	rows *Rows
	head head
}

// Features is how many numbers the head reads.
func (r *Result) Features() int { return len(r.Mean) }

// Tier is how held-out sources fare in one view.
type Tier struct {
	AUC       float64        `json:"auc"`
	Accuracy  float64        `json:"balanced_accuracy"`
	PhotoFPR  evaluate.Value `json:"fpr_photographs"` // undefined without photographs
	ArtFPR    evaluate.Value `json:"fpr_art"`         // undefined without art
	Detection float64        `json:"detection"`
}

func (o *TrainOptions) setDefaults() {
	if len(o.L2) == 0 {
		o.L2 = DefaultL2
	}
	o.L2 = slices.Clone(o.L2)
	slices.SortFunc(o.L2, func(a, b float64) int { return cmp.Compare(b, a) })
	o.Folds, o.Head = cmp.Or(o.Folds, 5), cmp.Or(o.Head, Logistic)
	o.Hidden, o.Epochs = cmp.Or(o.Hidden, 32), cmp.Or(o.Epochs, 12)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
}

// Train fits the head: on each fold's training part for every strength, to choose
// one, then on all pictures.
func Train(ctx context.Context, rows *Rows, opts TrainOptions) (*Result, error) {
	r, err := trainHead(ctx, rows, opts)
	if err != nil {
		return nil, fmt.Errorf("training a probe: %w", err)
	}
	return r, nil
}

func trainHead(ctx context.Context, rows *Rows, opts TrainOptions) (*Result, error) {
	opts.setDefaults()
	groups, judged, fold, err := opts.plan(rows.Groups, rows.Pictures, rows.Views)
	if err != nil {
		return nil, err
	}
	r := &Result{Groups: groups, Kind: opts.Head, Fold: fold, rows: rows}
	t := &trainer{rows: rows, opts: opts, columns: columnsOf(groups), fold: fold, judged: judged}
	if err := t.crossValidate(ctx, r); err != nil {
		return nil, err
	}
	if opts.Select {
		if r.Groups, err = t.selectGroups(ctx, groups, r.L2); err != nil {
			return nil, err
		}
		if len(r.Groups) < len(groups) {
			t.columns = columnsOf(r.Groups)
			if err := t.crossValidate(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	if err := t.final(ctx, r); err != nil {
		return nil, err
	}
	return r, t.calibrate(r)
}

// Check reports what Train would refuse, before hours go into the embeddings.
func (o TrainOptions) Check(embeddings []*encoder.Embedding, pictures []Picture, views []View) error {
	groups, _, err := groupsOf(embeddings)
	if err == nil {
		o.setDefaults()
		_, _, _, err = o.plan(groups, pictures, views)
	}
	if err != nil {
		return fmt.Errorf("training a probe: %w", err)
	}
	return nil
}

// plan gives the features used, the views that are judged and each picture's fold.
func (o TrainOptions) plan(all []encoder.Group, pictures []Picture, views []View) (groups []encoder.Group, judged, fold []int, err error) {
	fail := func(err error) ([]encoder.Group, []int, []int, error) { return nil, nil, nil, err }
	if !(o.ArtShare >= 0 && o.ArtShare < 1) {
		return fail(fmt.Errorf("a share of art of %v; try: 0.25", o.ArtShare))
	}
	for _, l2 := range o.L2 {
		if !(l2 > 0) || math.IsInf(l2, 0) {
			return fail(fmt.Errorf("a regularisation of %v; try: a number above 0, such as 0.01", l2))
		}
	}
	if groups, err = choose(all, o.Groups); err != nil {
		return fail(err)
	}
	if judged, err = judgedViews(views, o.Judge); err != nil {
		return fail(err)
	}
	if fold, err = Folds(pictures, o.Folds); err != nil {
		return fail(err)
	}
	return groups, judged, fold, nil
}

type trainer struct {
	rows    *Rows
	opts    TrainOptions
	columns []int
	fold    []int
	judged  []int // views
}

// errFold says that the pictures of a fold cannot be judged.
var errFold = errors.New("a fold lacks a class; try: fewer folds")

// choose gives the groups that the patterns name.
func choose(all []encoder.Group, patterns []string) ([]encoder.Group, error) {
	var groups []encoder.Group
	used := make([]bool, len(patterns))
	for _, g := range all {
		take := len(patterns) == 0
		for i, p := range patterns {
			if p == g.Name() || p == g.Encoder || p == g.Encoder+"@"+g.Tap || p == "/"+g.Statistic {
				take, used[i] = true, true
			}
		}
		if take {
			groups = append(groups, g)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("no features are named %q; try: one like %q, %q or %q",
				patterns[i], all[0].Name(), all[0].Encoder+"@"+all[0].Tap, all[0].Encoder)
		}
	}
	return groups, nil
}

func judgedViews(views []View, names []string) ([]int, error) {
	index := func(name string) int {
		return slices.IndexFunc(views, func(v View) bool { return v.String() == name || (v.Name == name && v.Copy == 0) })
	}
	var out []int
	for _, name := range names {
		i := index(name)
		if i < 0 {
			return nil, fmt.Errorf("there is no view %q to judge by; try: one of %v", name, views)
		}
		out = append(out, i)
	}
	if len(names) == 0 {
		for _, name := range []string{"clean", "challenge"} {
			if i := index(name); i >= 0 {
				out = append(out, i)
			}
		}
	}
	if len(out) == 0 {
		out = []int{0}
	}
	return out, nil
}

// samples lists the rows of the pictures that use keeps, in all views, with their
// weights.
func (t *trainer) samples(use func(i int) bool) []sample {
	weights := pictureWeights(t.rows.Pictures, t.opts.ArtShare, use)
	var out []sample
	for i, w := range weights {
		if w == 0 {
			continue
		}
		for v := range t.rows.Views {
			out = append(out, sample{i, v, t.rows.Pictures[i].Label, w / float64(len(t.rows.Views))})
		}
	}
	return out
}

// crossValidate fits every strength on every fold and chooses.
func (t *trainer) crossValidate(ctx context.Context, r *Result) error {
	r.Trials, r.Held = nil, nil
	// held[l2][view][picture]
	held := make([][][]float64, len(t.opts.L2))
	for i := range held {
		held[i] = make([][]float64, len(t.judged))
		for j := range held[i] {
			held[i][j] = make([]float64, len(t.rows.Pictures))
		}
	}
	for f := range t.opts.Folds {
		start := time.Now()
		train := t.samples(func(i int) bool { return t.fold[i] != f })
		st := standardise(t.rows, train, t.columns)
		x := features(t.rows, train, t.columns, st)
		var h head
		for k, l2 := range t.opts.L2 {
			var err error
			if h, err = t.fitHead(ctx, x, train, l2, h); err != nil {
				return fmt.Errorf("fold %d, L2 %g: %w", f+1, l2, err)
			}
			for j, v := range t.judged {
				for i, z := range t.heldLogits(h, st, t.columns, f, v) {
					held[k][j][i] += z // 0 but for the fold's own
				}
			}
		}
		t.opts.Progress(fmt.Sprintf("fold %d of %d: %d rows of %d features, %.0f s", f+1, t.opts.Folds, x.rows, x.cols, time.Since(start).Seconds()))
	}
	best := -1
	for k, l2 := range t.opts.L2 {
		trial := Trial{L2: l2, PerView: map[string]float64{}, PerFold: make([]float64, t.opts.Folds)}
		for j, v := range t.judged {
			for f := range t.opts.Folds {
				auc := t.foldAUC(held[k][j], f)
				trial.PerFold[f] += auc / float64(len(t.judged))
				trial.PerView[t.rows.Views[v].String()] += auc / float64(t.opts.Folds)
				trial.AUC += auc / float64(t.opts.Folds*len(t.judged))
			}
		}
		if math.IsNaN(trial.AUC) {
			return errFold
		}
		r.Trials = append(r.Trials, trial)
		if best < 0 || trial.AUC > r.Trials[best].AUC {
			best = k
		}
	}
	r.L2 = t.opts.L2[best]
	for j, v := range t.judged {
		for i, z := range held[best][j] {
			r.Held = append(r.Held, Held{i, t.rows.Views[v].String(), z})
		}
	}
	return nil
}

// foldAUC judges a fold's held-out pictures, weighed as in training.
func (t *trainer) foldAUC(logits []float64, f int) float64 {
	weights := pictureWeights(t.rows.Pictures, t.opts.ArtShare, func(i int) bool { return t.fold[i] == f })
	var labels []int
	var scores, w []float64
	for i, p := range t.rows.Pictures {
		if weights[i] > 0 {
			labels, scores, w = append(labels, p.Label), append(scores, logits[i]), append(w, weights[i])
		}
	}
	return weightedAUC(labels, scores, w)
}

// final fits all pictures with the chosen strength.
func (t *trainer) final(ctx context.Context, r *Result) error {
	start := time.Now()
	all := t.samples(func(int) bool { return true })
	st := standardise(t.rows, all, t.columns)
	x := features(t.rows, all, t.columns, st)
	for _, l2 := range t.opts.L2 {
		if l2 < r.L2 || (t.opts.Head != Logistic && l2 != r.L2) {
			continue // stronger ones only lead the logistic fit there
		}
		var err error
		if r.head, err = t.fitHead(ctx, x, all, l2, r.head); err != nil {
			return err
		}
	}
	r.Mean, r.Std = st.mean, st.std
	t.opts.Progress(fmt.Sprintf("all pictures: %d rows of %d features, %.0f s", x.rows, x.cols, time.Since(start).Seconds()))
	return nil
}

// calibrate fits scale and offset to the held-out logits and measures them.
func (t *trainer) calibrate(r *Result) error {
	labels, logits := make([]int, len(r.Held)), make([]float64, len(r.Held))
	for i, h := range r.Held {
		labels[i], logits[i] = t.rows.Pictures[h.Picture].Label, h.Logit
	}
	var err error
	if r.Calibration, err = train.Platt(labels, logits); err != nil {
		return fmt.Errorf("on sources held out: %w; try: more sources, or other encoders and layers", err)
	}
	if t.opts.MaxFPR > 0 {
		r.Calibration.Offset -= t.excess(r)
	}
	r.Tiers = map[string]Tier{}
	for _, v := range t.judged {
		name := t.rows.Views[v].String()
		r.Tiers[name] = t.tier(r, name)
	}
	return nil
}

// excess is how far the calibrated logits must go down for no view to have more
// false positives than allowed, among photographs or art.
func (t *trainer) excess(r *Result) float64 {
	type set struct {
		view string
		art  bool
	}
	real := map[set][]float64{}
	for _, h := range r.Held {
		if p := t.rows.Pictures[h.Picture]; p.Label == 0 {
			k := set{h.View, p.IsArt()}
			real[k] = append(real[k], r.Calibration.Scale*h.Logit+r.Calibration.Offset)
		}
	}
	down := 0.0
	for _, z := range real {
		slices.Sort(z)
		// So many may lie above.
		allowed := int(t.opts.MaxFPR * float64(len(z)))
		down = max(down, z[max(len(z)-1-allowed, 0)])
	}
	return down
}

func (t *trainer) tier(r *Result, view string) Tier {
	var labels []int
	var scores, ones []float64
	var n, above [3]float64 // photographs, art, AI-generated
	for _, h := range r.Held {
		if h.View != view {
			continue
		}
		p := t.rows.Pictures[h.Picture]
		z := r.Calibration.Scale*h.Logit + r.Calibration.Offset
		kind := 0
		switch {
		case p.Label == 1:
			kind = 2
		case p.IsArt():
			kind = 1
		}
		n[kind]++
		if z > 0 {
			above[kind]++
		}
		labels, scores, ones = append(labels, p.Label), append(scores, z), append(ones, 1)
	}
	out := Tier{
		AUC: weightedAUC(labels, scores, ones), Detection: above[2] / n[2],
		PhotoFPR: evaluate.Value(above[0] / n[0]), ArtFPR: evaluate.Value(above[1] / n[1]),
	}
	out.Accuracy = (out.Detection + 1 - (above[0]+above[1])/(n[0]+n[1])) / 2
	return out
}
