package tensorboard

import "math"

const (
	// histogramBins is the number of buckets, as in TensorBoard's own writer.
	histogramBins = 30
	// prThresholds is the number of points of a precision-recall curve: the
	// thresholds 0, 0.005 ... 1.
	prThresholds = 201
)

// histogramRows counts values in equally wide buckets from the least to the
// greatest; the last bucket holds its right edge. Values that are not finite are
// left out; of none there are no rows. If all are the same, there is one bucket
// around it, one wide, as TensorBoard's own writer makes.
func histogramRows(values []float32) [][3]float64 {
	lo, hi, n := math.Inf(1), math.Inf(-1), 0
	for _, v := range values {
		if x := float64(v); !math.IsNaN(x) && !math.IsInf(x, 0) {
			lo, hi, n = min(lo, x), max(hi, x), n+1
		}
	}
	if n == 0 {
		return nil
	}
	if lo == hi {
		return [][3]float64{{lo - 0.5, hi + 0.5, float64(n)}}
	}
	rows := make([][3]float64, histogramBins)
	width := (hi - lo) / histogramBins
	for i := range rows {
		rows[i] = [3]float64{lo + float64(i)*width, lo + float64(i+1)*width, 0}
	}
	rows[histogramBins-1][1] = hi
	for _, v := range values {
		if x := float64(v); !math.IsNaN(x) && !math.IsInf(x, 0) {
			rows[min(int((x-lo)/width), histogramBins-1)][2]++
		}
	}
	return rows
}

// prTable counts, for every threshold i/(prThresholds-1), the pictures whose score
// is at least that: true positives, false positives, true negatives, false
// negatives, precision and recall.
func prTable(labels []int, scores []float64) [6][]float64 {
	var rows [6][]float64
	for i := range rows {
		rows[i] = make([]float64, prThresholds)
	}
	tp, fp, tn, fn, precision, recall := rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
	for i := range min(len(labels), len(scores)) {
		s := scores[i]
		if !(s >= 0 && s <= 1) { // NaN too
			continue
		}
		bucket := int(s * (prThresholds - 1))
		if labels[i] == 1 {
			tp[bucket]++
		} else {
			fp[bucket]++
		}
	}
	for i := prThresholds - 2; i >= 0; i-- {
		tp[i] += tp[i+1]
		fp[i] += fp[i+1]
	}
	for i := range prThresholds {
		tn[i], fn[i] = fp[0]-fp[i], tp[0]-tp[i]
		// Of nothing found the precision is 0, as TensorBoard's own writer has it.
		precision[i] = tp[i] / max(1e-7, tp[i]+fp[i])
		recall[i] = tp[i] / max(1e-7, tp[i]+fn[i])
	}
	return rows
}
