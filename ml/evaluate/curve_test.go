package evaluate

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12 }

// TestCurveAgreesWithScikitLearn compares the ROC curves: ours has no point that
// scikit-learn's lacks, and leaves out those that lie on its lines.
func TestCurveAgreesWithScikitLearn(t *testing.T) {
	for _, c := range readGolden(t).Cases {
		curve, err := Curve(c.Labels, c.Scores)
		if err != nil {
			t.Fatal(err)
		}
		if (curve == nil) != (c.Curve == nil) {
			t.Fatalf("%s: %d points, want %d", c.Name, len(curve), len(c.Curve))
		}
		if curve == nil {
			continue
		}
		at := 0 // the last of our points not behind the golden one
		for i, want := range c.Curve {
			if at+1 < len(curve) && near(curve[at+1].FPR, *want[0]) && near(curve[at+1].Detection, *want[1]) {
				at++
			}
			p := curve[at]
			if near(p.FPR, *want[0]) && near(p.Detection, *want[1]) {
				if (want[2] == nil) == p.Threshold.Defined() || want[2] != nil && float64(p.Threshold) != *want[2] {
					t.Errorf("%s, point %d: threshold %v", c.Name, i, p.Threshold)
				}
				continue
			}
			if at+1 == len(curve) {
				t.Fatalf("%s: golden point %d lies behind the last", c.Name, i)
			}
			next := curve[at+1]
			cross := (*want[0]-p.FPR)*(next.Detection-p.Detection) - (next.FPR-p.FPR)*(*want[1]-p.Detection)
			if !near(cross, 0) {
				t.Errorf("%s: golden point %d is %g off the line", c.Name, i, cross)
			}
		}
		if at+1 != len(curve) {
			t.Errorf("%s: %d points of %d are in the golden curve", c.Name, at+1, len(curve))
		}
		// The area under it, by trapezia, is the measure.
		area := 0.0
		for i := 1; i < len(curve); i++ {
			area += (curve[i].FPR - curve[i-1].FPR) * (curve[i].Detection + curve[i-1].Detection) / 2
		}
		if !near(area, *c.Want["roc_auc"]) {
			t.Errorf("%s: area %v, want %v", c.Name, area, *c.Want["roc_auc"])
		}
	}
}

func TestReliabilityAgreesWithNumpy(t *testing.T) {
	for _, c := range readGolden(t).Cases {
		bins, err := Reliability(c.Labels, c.Scores)
		if err != nil {
			t.Fatal(err)
		}
		if len(bins) != Bins || len(c.Reliability) != Bins {
			t.Fatalf("%d bins, want %d", len(bins), len(c.Reliability))
		}
		for i, b := range bins {
			want := c.Reliability[i]
			if b.N != int(*want[0]) || b.Score.Defined() != (want[1] != nil) {
				t.Errorf("%s, bin %d: %+v", c.Name, i, b)
			} else if b.N > 0 && (!near(float64(b.Score), *want[1]) || !near(float64(b.Synthetic), *want[2])) {
				t.Errorf("%s, bin %d: %+v, want %v and %v", c.Name, i, b, *want[1], *want[2])
			}
		}
	}
	if _, err := Reliability([]int{1}, []float64{2}); err == nil {
		t.Error("a score of 2")
	}
	if _, err := Curve(nil, nil); err == nil {
		t.Error("a curve of nothing")
	}
}
