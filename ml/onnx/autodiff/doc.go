// Package autodiff builds ONNX graphs and differentiates them: reverse mode,
// graph to graph. What comes out is an ordinary model of standard operators
// (operator set 18), so one ONNX Runtime trains and infers, on any of its
// devices.
//
//	g := autodiff.New("step", autodiff.Options{Training: true})
//	x := g.Input("x", 8, 3)
//	w := g.Parameter("w", onnx.NewTensor(1, 3))
//	loss := g.ReduceMean(g.Pow(g.Linear(x, w, nil), g.Scalar(2)))
//	grads, err := g.Gradients(loss, g.Parameters())
//	model, err := g.Model(map[string]*autodiff.Value{"loss": loss, "dw": grads[0]},
//		autodiff.ModelOptions{ParametersAsInputs: true})
//
// Shapes are inferred while the graph is built. A graph that is differentiated
// has fixed shapes; one for inference may have dynamic dimensions, given as -1.
// Scalars have the shape [1], since tensors without dimensions cannot be passed
// through every binding of the runtime.
//
// Methods don't return errors: the first is kept and reported by Err, Gradients
// and Model, and the method returns a value that can be used further.
package autodiff
