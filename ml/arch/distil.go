package arch

import (
	"errors"
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// DistilLoss is what a small architecture is trained by to score patches as a
// large one does: the mean square of the differences of their logits, shape [1].
// student is [N, h, w] of the patches small, teacher [N, H, W] of the larger
// patches large, as the two architectures' Heatmap gives them for the same
// window; the teacher's usually comes from its own session, as an input. The
// small patches inside each large one are averaged, as they are where the student
// sees that patch alone.
func DistilLoss(g *autodiff.Graph, student, teacher *autodiff.Value, small, large Patches) *autodiff.Value {
	stride, inside := large.Stride/small.Stride, 2*(large.First-small.First)/small.Stride
	if stride < 1 || inside < 0 || stride != float64(int(stride)) || inside != float64(int(inside)) {
		g.Fail(errors.New("the student's patches don't fit into the teacher's"))
		return g.Scalar(0)
	}
	h, w := student.Shape()[1], student.Shape()[2]
	pooled := g.AveragePool(g.Reshape(student, -1, 1, h, w), autodiff.PoolOptions{Kernel: int(inside) + 1, Stride: int(stride)})
	if got, want := pooled.Shape()[2:], teacher.Shape()[1:]; !slices.Equal(got, want) {
		g.Fail(fmt.Errorf("the student scores %v patches, the teacher %v", got, want))
		return g.Scalar(0)
	}
	difference := g.Sub(g.Reshape(pooled, -1, teacher.Shape()[1], teacher.Shape()[2]), teacher)
	return g.Reshape(g.ReduceMean(g.Mul(difference, difference), autodiff.ReduceOptions{}), 1)
}
