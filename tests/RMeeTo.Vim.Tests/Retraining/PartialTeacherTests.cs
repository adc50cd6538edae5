using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Distillation from a teacher that knows some of the classes.</summary>
[TestClass]
public sealed class PartialTeacherTests
{
    private static readonly ImageSet s_train = TinyTask.Images(30, 1);

    /// <summary>Loss and gradient against their formulas: (1 − m) KL(t ‖ s), and (1 − m) (s − t) for known classes and 0 for the others.</summary>
    [TestMethod]
    [DataRow(new[] { 0, 1, -1 })]
    [DataRow(new[] { -1, 2, 0, -1, 1, -1 })]
    [DataRow(new[] { 1, 0 })]
    public void TheDivergenceIsThatOfTheKnownClasses(int[] teachersClass)
    {
        const int Images = 5;
        int classes = teachersClass.Length, known = teachersClass.Count(k => k >= 0);
        var random = new Random(classes);
        float[] student = Draw(Images * classes), teacher = Draw(Images * known);
        using var device = new ReferenceDevice();
        DeviceMatrix logits = Matrix(student, classes), fromTeacher = Matrix(teacher, known), targets = Matrix(new float[Images * classes], classes),
            losses = Matrix(new float[Images], 1), gradient = Matrix(new float[Images * classes], classes);
        using var partial = new PartialTeacher(device, teachersClass, known, Images + 2);
        device.Loss(new LossWeights(0, 1), logits, targets, partial.Complete(logits, fromTeacher), 1, losses, gradient);

        float[] loss = Read(losses), slope = Read(gradient);
        for (int b = 0; b < Images; b++)
        {
            double[] p = Softmax(student.AsSpan(b * classes, classes)), t = Softmax(teacher.AsSpan(b * known, known));
            double weight = Enumerable.Range(0, classes).Where(k => teachersClass[k] >= 0).Sum(k => p[k]), divergence = 0;
            for (int k = 0; k < classes; k++)
            {
                double expected = 0;
                if (teachersClass[k] >= 0)
                {
                    double s = p[k] / weight, target = t[teachersClass[k]];
                    divergence += target * Math.Log(target / s);
                    expected = weight * (s - target);
                }
                Assert.AreEqual(expected, slope[b * classes + k], 1e-6);
            }
            Assert.AreEqual(weight * divergence, loss[b], 2e-6 * Math.Max(1, divergence));
        }

        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(8 * random.NextDouble() - 4))];

        DeviceMatrix Matrix(float[] values, int columns)
        {
            var buffer = device.Allocate(values.Length);
            buffer.Write(values);
            return new DeviceMatrix(buffer, values.Length / columns, columns);
        }

        static float[] Read(DeviceMatrix matrix)
        {
            var values = new float[matrix.Rows * matrix.Columns];
            matrix.Buffer.Read(values);
            return values;
        }
    }

    private static double[] Softmax(ReadOnlySpan<float> values)
    {
        double[] powers = [.. values.ToArray().Select(value => Math.Exp(value))];
        double sum = powers.Sum();
        return [.. powers.Select(power => power / sum)];
    }

    [TestMethod]
    public void OrderDoesNotMatterAndThreadsDoNot()
    {
        var model = TinyTask.Model(tokensPerMerge: 2);
        var same = TinyTask.Options with { TeacherLossWeight = 2 };
        var some = same with { TeacherClasses = TeacherClasses.Some };
        var expected = Retrainer.Run(model, s_train, null, same, TinyTask.Model(seed: 3)).Model;
        var turned = Retrainer.Run(model, s_train, null, some, TinyTask.Model(seed: 3).WithHead(["bottom", "top", "middle"], 1)).Model;
        CollectionAssert.AreEqual(expected.Weights.Values, turned.Weights.Values);

        var two = TinyTask.Model(seed: 3).WithHead(["bottom", "top"], 1);
        var one = Retrainer.Run(model, s_train, null, some, two);
        var three = Retrainer.Run(model, s_train, null, some with { Threads = 3 }, two);
        CollectionAssert.AreEqual(one.Model.Weights.Values, three.Model.Weights.Values);
        CollectionAssert.AreNotEqual(expected.Weights.Values, one.Model.Weights.Values);
        CollectionAssert.AreNotEqual(Retrainer.Run(model, s_train, null, TinyTask.Options).Model.Weights.Values, one.Model.Weights.Values);
    }

    /// <summary>A network that already answers as its teacher wherever that knows something has nothing to learn from it.</summary>
    [TestMethod]
    public void WhatTheTeacherKnowsAlreadyTeachesNothing()
    {
        var model = TinyTask.Model();
        var options = TinyTask.Options with { TargetLossWeight = 0, TeacherLossWeight = 1, TeacherClasses = TeacherClasses.Some, Epochs = 1 };
        options = options with { BatchSize = s_train.Count }; // one step: AdamW makes much of a gradient that is rounding
        var result = Retrainer.Run(model, s_train, null, options, model.WithHead(["top", "bottom"], 1));
        Assert.AreEqual(0, result.Epochs[0].Loss, 1e-6);
    }

    [TestMethod]
    public void ATeacherOfOtherClassesOrMergesMakesAnotherRun()
    {
        var (model, two) = (TinyTask.Model(2), TinyTask.Model(2, seed: 3).WithHead(["top", "bottom"], 1));
        var options = TinyTask.Options with { TeacherLossWeight = 1, TeacherClasses = TeacherClasses.Some };
        RunFingerprint Of(VimModel teacher) => RunFingerprint.Of(model, s_train, null, options, teacher);
        Of(two).ThrowIfDifferent(Of(two).Entries, "path");
        var renamed = new VimModel(two.Weights, ["top", "middle"], two.Schedule, two.Merging, two.Preprocessing);
        Refused(renamed, "teacher classes: 0,-1,1");
        var pruned = two.WithSchedule(two.Schedule, two.Merging with { Reduction = MergeReduction.Prune });
        Refused(pruned, "teacher merging Reduction");

        void Refused(VimModel other, string part) =>
            Assert.Contains(part, Assert.ThrowsExactly<InvalidDataException>(() => Of(other).ThrowIfDifferent(Of(two).Entries, "path")).Message);
    }

    [TestMethod]
    public void ATeacherOfOtherClassesIsRefused()
    {
        var options = TinyTask.Options with { TeacherLossWeight = 1, TeacherClasses = TeacherClasses.Some };
        Refused(["top", "middle", "left"], "a class 'left' and the network does not");
        Refused(["top"], "knows one class, 'top'");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => options with { TeacherClasses = (TeacherClasses)7 });

        void Refused(string[] classes, string message)
        {
            var teacher = TinyTask.Model().WithHead(classes, 1);
            var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), s_train, null, options, teacher));
            StringAssert.Contains(e.Message, message);
        }
    }
}
