//! The properties of an Android device, in the order of `getprop`.

use super::device::pick;
use super::elf::Architecture;
use crate::handlers::Random;

/// Manufacturer, brand, model, product name, device, board platform: boxes and phones with ADB open to the network.
const MODELS: [[&str; 6]; 6] = [
    ["LGE", "google", "Nexus 5X", "bullhead", "bullhead", "msm8992"],
    ["Xiaomi", "xiaomi", "Redmi Note 4", "mido", "mido", "msm8953"],
    ["Amlogic", "MBX", "TX3 Mini", "p281", "p281", "gxl"],
    ["rockchip", "rockchip", "rk3328-box", "rk3328_box", "rk3328_box", "rk3328"],
    ["samsung", "samsung", "SM-J530F", "j5y17ltexx", "j5y17lte", "exynos5"],
    ["HUAWEI", "HUAWEI", "WAS-LX1A", "WAS-LX1A", "HWWAS-H", "hi6250"],
];
/// Release, SDK level, build id.
const RELEASES: [[&str; 3]; 4] = [
    ["6.0.1", "23", "MMB29M"],
    ["7.1.2", "25", "NHG47K"],
    ["8.0.0", "26", "OPR1.170623.026"],
    ["8.1.0", "27", "OPM1.171019.011"],
];

/// Draws a model and a release.
pub(super) fn properties(architecture: Architecture, kernel: &str, random: &mut Random) -> Vec<(String, String)> {
    let [manufacturer, brand, model, product, device, platform] = pick(random, &MODELS);
    let [release, sdk, id] = pick(random, &RELEASES);
    let incremental = random.within(&(1_000_000..=9_999_999)).to_string();
    let serial = format!("{:016x}", random.bits());
    let (abi, list) = match architecture {
        Architecture::Aarch64 => ("arm64-v8a", "arm64-v8a,armeabi-v7a,armeabi"),
        _ => ("armeabi-v7a", "armeabi-v7a,armeabi"),
    };
    let fingerprint = format!("{brand}/{product}/{device}:{release}/{id}/{incremental}:user/release-keys");
    let description = format!("{product}-user {release} {id} {incremental} release-keys");
    [
        ("dalvik.vm.heapsize", "512m"),
        ("net.bt.name", "Android"),
        ("net.hostname", &format!("android-{}", serial.get(..16).unwrap_or(&serial))),
        ("persist.sys.timezone", "UTC"),
        ("persist.sys.usb.config", "adb"),
        ("ro.adb.secure", "0"),
        ("ro.board.platform", platform),
        ("ro.bootloader", "unknown"),
        ("ro.build.description", &description),
        ("ro.build.display.id", id),
        ("ro.build.fingerprint", &fingerprint),
        ("ro.build.id", id),
        ("ro.build.product", device),
        ("ro.build.tags", "release-keys"),
        ("ro.build.type", "user"),
        ("ro.build.user", "android-build"),
        ("ro.build.version.incremental", &incremental),
        ("ro.build.version.release", release),
        ("ro.build.version.sdk", sdk),
        ("ro.debuggable", "0"),
        ("ro.hardware", platform),
        ("ro.kernel.version", kernel),
        ("ro.product.board", platform),
        ("ro.product.brand", brand),
        ("ro.product.cpu.abi", abi),
        ("ro.product.cpu.abilist", list),
        ("ro.product.device", device),
        ("ro.product.locale", "en-US"),
        ("ro.product.manufacturer", manufacturer),
        ("ro.product.model", model),
        ("ro.product.name", product),
        ("ro.secure", "1"),
        ("ro.serialno", &serial),
        ("service.adb.tcp.port", "5555"),
        ("sys.boot_completed", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
