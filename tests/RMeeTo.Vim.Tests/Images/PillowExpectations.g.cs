// Made by pillow_expectations.py with Pillow 9.4.0.
namespace RMeeTo.Vim.Tests.Images;

internal static class PillowExpectations
{
    public static readonly ResizeCase[] Resizes =
    [
        new(Pattern.Noise, 8, 6, 4, 3, new(0f, 0f, 8f, 6f), false, "6d828b768c95a490826aa67072a5d06d5d7e9b877b91ad7e727a88827c6a8992756d8d2c"),
        new(Pattern.Noise, 4, 3, 8, 4, new(0f, 0f, 4f, 3f), false, "0000af1d3285a1c32bdcf231c4b59d99a5dd60c0f045cdf9a8989c988a976b718e506d814b817261917c909b9fa69fafe4d59cb7b5b03c6edb0055c6086c6d426b4ca75163d7466e8185af6797bf32bce11ab8d3258493514b6d971162b8005d"),
        new(Pattern.Edges, 12, 8, 5, 3, new(0f, 0f, 12f, 8f), false, "52ad52996699808080669966ad52ad7f7f7f7f7f7f8080807f7f7f7f7f7fad52ad66996680808099669952ad52"),
        new(Pattern.Edges, 5, 5, 6, 5, new(0f, 0f, 5f, 5f), false, "00ff0000ff0000ff00659a65ff00ffff00ff00ff0000ff0000ff00659a65ff00ffff00ffff00ffff00ffff00ff9a659a00ff0000ff00ff00ffff00ffff00ff9a659a00ff0000ff0000ff0000ff0000ff00659a65ff00ffff00ff"),
        new(Pattern.Noise, 1, 1, 5, 3, new(0f, 0f, 1f, 1f), false, "000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3000ea3"),
        new(Pattern.Noise, 1, 7, 1, 3, new(0f, 0f, 1f, 7f), false, "857da57ea4aa646cba"),
        new(Pattern.Noise, 7, 1, 3, 1, new(0f, 0f, 7f, 1f), false, "748a739ea5a89483b3"),
        new(Pattern.Noise, 7, 1, 3, 9, new(0f, 0f, 7f, 1f), false, "748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3748a739ea5a89483b3"),
        new(Pattern.Noise, 9, 7, 9, 7, new(0f, 0f, 9f, 7f), false, "sha256:5dc40bcb007df3a1c73c468a27b17afb1175b59d8a6bf09fce49a9ec67fa0f92"),
        new(Pattern.Noise, 9, 7, 9, 3, new(0f, 0f, 9f, 7f), false, "857da55a8f915582829b81a189828ec78e6a6cae8266a6689b62ac7ea4aa81a5d74a838985424dad828e6c97879ed65578697bb570af646cba5f3d69879b807937876d9563c8bf5193a4774f951f67adba"),
        new(Pattern.Noise, 9, 7, 4, 7, new(0f, 0f, 9f, 7f), false, "7288719ca7ab968da9687eb0727c9e65857c89b44c69936943a0bb813291c57178bf96778f93ff8c7d5968ca909290a87cc3445c73938b9b618654736338a79f72569c994438996e5f5b9d605894afc2718ad566"),
        new(Pattern.Noise, 9, 7, 1, 1, new(0f, 0f, 9f, 7f), false, "828983"),
        new(Pattern.Noise, 500, 3, 7, 2, new(0f, 0f, 500f, 3f), false, "7c7885887f8575847e807c847c8282827e7a8c86907b8082877b82858280857c817b8a807e867c838c88"),
        new(Pattern.Noise, 3, 500, 2, 7, new(0f, 0f, 3f, 500f), false, "7b7e7b877e868189798187877581838b87827880828279837c7d7e7883877c7c85887e87797986867f7e"),
        new(Pattern.Noise, 2000, 3, 64, 64, new(0f, 0f, 2000f, 3f), false, "sha256:ce75dfcf705f7b336a11d37210dec7a59d4b38a3e5c01586dc523389d934eab1"),
        new(Pattern.Noise, 3, 2000, 64, 5, new(0f, 0f, 3f, 2000f), false, "sha256:fc2c88be500802b95f08a8f1e7c2dfd0ccae46ada2bd9722dac35c91c396f8fa"),
        new(Pattern.Noise, 2000, 3, 3000, 2, new(0f, 0f, 2000f, 3f), false, "sha256:f84aa88c62a00779cf702353b3315b665b0a2f0a8abe28d23f7d3d3df156e3f6"),
        new(Pattern.Noise, 125, 94, 64, 48, new(0f, 0f, 125f, 94f), false, "sha256:c5996a2e8d29355e026eefe2154f29aa7b2430b55ff7b3cf44c8cf623b3ed4bc"),
        new(Pattern.Edges, 125, 94, 64, 48, new(0f, 0f, 125f, 94f), false, "sha256:73c9c261f686966f12d3034f004e6b12814a0f26a56dacf5b16b913b3a12ddda"),
        new(Pattern.Ramp, 125, 94, 64, 48, new(0f, 0f, 125f, 94f), false, "sha256:c128f8ef537b98a0bcb00bfb758215eeb07fc5d9405b9deb23bfb744273dcfef"),
        new(Pattern.Noise, 333, 250, 341, 256, new(0f, 0f, 333f, 250f), false, "sha256:0eca30860ede32b70802e1c779fb94948529014b0c73ce580e5d5962fa8d7738"),
        new(Pattern.Edges, 96, 96, 224, 224, new(0f, 0f, 96f, 96f), false, "sha256:9cac16377db95f63aa7ed42d2028cd86fcecd11f1d7e8cde665cb935edd3bb94"),
        new(Pattern.Noise, 97, 61, 31, 199, new(0f, 0f, 97f, 61f), false, "sha256:ec2d75304b81a1b80e56d770192456aa159102fff8d3ad0c5943eb3e4071755e"),
        new(Pattern.Noise, 300, 5, 5, 300, new(0f, 0f, 300f, 5f), false, "sha256:46938b83de90a6ffd50a40bc8f699f799436b681d7cd0f531193123d4b2af28d"),
        new(Pattern.Noise, 500, 375, 341, 256, new(0f, 0f, 500f, 375f), false, "sha256:845534e2aef40b8344d2c646cb74a90aab1647965b8586b47b16a4bf1fafdc3e"),
        new(Pattern.Edges, 500, 375, 341, 256, new(0f, 0f, 500f, 375f), false, "sha256:e02753739c89a8f56bfa58b071fa2a0eb262ec23b83d8965f1e9fe18ef207c27"),
        new(Pattern.Noise, 375, 500, 256, 341, new(0f, 0f, 375f, 500f), false, "sha256:16d74121c027c1503fc3c4e4de36866596352d5337954da059a3b8b4cd4f4cb4"),
        new(Pattern.Noise, 16, 12, 4, 4, new(2f, 1f, 14f, 11f), false, "7e7388959e797d65767a7e8a7f7c76839c6471828d70997e916989879c7367b074838b8b67727e73738e83678f838a4c"),
        new(Pattern.Noise, 16, 12, 4, 4, new(2.25f, 1.5f, 13.75f, 10.125f), false, "8269819aa2798667767b85867d7f737f9a60717c976d977f9b7087879f6d5fbe688091876869827d858c856a96848561"),
        new(Pattern.Edges, 16, 12, 5, 4, new(0.1f, 0.3f, 15.9f, 11.7f), false, "748b74897689778877877887768976778877877887798679857a857887788877887887788679867a857a8778878b748b768976887788788778897689"),
        new(Pattern.Noise, 64, 48, 64, 48, new(0.5f, 0f, 64f, 48f), false, "sha256:1abde9a097caf0a5ce3c82048bd940642dca2984686a41829817dd098816c4d3"),
        new(Pattern.Noise, 64, 48, 32, 48, new(32f, 0f, 64f, 48f), false, "sha256:2b67bb74f742a9a5c64ff4090464c14630ab81f990b94eb6740450f1faeefdf5"),
        new(Pattern.Noise, 64, 48, 64, 20, new(0f, 28f, 64f, 48f), false, "sha256:a8fb7c91443a4f57c6af023ffa2a2a70358a96ede1e3124d34b2bb15baad8a18"),
        new(Pattern.Noise, 64, 48, 40, 40, new(20.7f, 11.3f, 21.1f, 11.9f), false, "sha256:1e4a6abb63ac2c801394fdb7829c1654f6976e82dcde0a90fab312b51345fe55"),
        new(Pattern.Noise, 120, 90, 33, 44, new(1.1f, 2.2f, 118.3f, 87.7f), false, "sha256:e4b9ef7919d3f4befe6f2895b1b96dde0d6fffa5532ff5feedaedcc0cb288922"),
        new(Pattern.Noise, 16, 12, 4, 4, new(2f, 1f, 14f, 11f), true, "7f697a989f73826a757b848b807d73839c6571828d6c947e94688d879b7267ae74849090586d8a72788f8a6692828a44"),
        new(Pattern.Noise, 120, 90, 96, 96, new(31f, 22f, 78f, 83f), true, "sha256:9637e170265580e3e8a1b797c662e32d7389d3943bee4741c86750bc7824d582"),
        new(Pattern.Edges, 120, 90, 56, 56, new(0f, 0f, 120f, 90f), true, "sha256:68816575273c40fc4bcc6fce9a0743f0676c5bc02e933ec667cef97e5f389b14"),
        new(Pattern.Noise, 120, 90, 48, 64, new(63f, 29f, 120f, 90f), true, "sha256:ab82349f84d832c7351e66b2bd37f98c9247557b4b3dd016f5e94bd5829e6732"),
        new(Pattern.Noise, 40, 30, 8, 8, new(39f, 29f, 40f, 30f), true, "sha256:0761993f7e51a3192198be1eb1a871d09a11565e368232ab489200bea36cae41"),
    ];

    public static readonly EvaluationCase[] Evaluations =
    [
        new(Pattern.Noise, 500, 375, 224, 224, "sha256:2ef9bfec934fc3bd242ea5fe70736b36c8e7a8af2d9e997e501b83609a6d440d"),
        new(Pattern.Noise, 375, 500, 224, 224, "sha256:f4d06bba630e91745f4bd8dd0e250c1595a18a37abfc03e58de1500779a18b03"),
        new(Pattern.Edges, 300, 301, 224, 224, "sha256:ad8d96359ae78b8a953d17404f437d8dcaa8ce12f006f8e1c8b7ad2b570cbbfe"),
        new(Pattern.Noise, 333, 250, 96, 96, "sha256:3dd96d1bce776cf191c8ed618752448e58cd3782a36c698cd506973c84996235"),
        new(Pattern.Noise, 1, 1, 32, 32, "sha256:ca7e40195d19f2d5ca559781cf7983af01e0e11adebcf2f5d2beb36c082105cd"),
        new(Pattern.Noise, 50, 3, 32, 32, "sha256:b7bc23af2b0c9bff5a8ecb28f1628a82bd4294beca7da81d9e920a2988cd9b11"),
        new(Pattern.Noise, 200, 100, 32, 64, "sha256:9596011f587aaf192a6c12ce1d47c143336fdcc04c0077a991a214cb33ba4dc3"),
        new(Pattern.Noise, 100, 200, 32, 64, "sha256:7f6bafa4eb89638d2aa8d1278ea6d5a5bba769372557a9f0432b797fbddef5fc"),
        new(Pattern.Noise, 101, 100, 70, 35, "sha256:f24c86c7a16fb2438774966003f23eb36c0147964c8b2fa9e3256d84477ec453"),
    ];
}
